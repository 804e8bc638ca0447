"""The running demo: two servers, the front of `mailproxy run` before them, and a vulnerable server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.logger import LogEvent

from mailproxy.config import load
from mailproxy.demo import account, certificates, configuration
from mailproxy.demo.certificates import Certificates
from mailproxy.demo.dovecot import Dovecot, DovecotError
from mailproxy.demo.embedded import EmbeddedServer
from mailproxy.demo.inbox import Inbox
from mailproxy.demo.invitation import KEYS, WAITING, Invitation, program
from mailproxy.demo.ports import FRONT, SERVERS, Ports
from mailproxy.demo.report import change, learnt, log_line, refused
from mailproxy.demo.submission import SubmissionServer
from mailproxy.demo.vulnerable import VulnerableServer
from mailproxy.front.prepare import prepare
from mailproxy.service import ProxyService


class Server(Protocol):
    """A mail server that can be killed, and started again."""

    @property
    def is_up(self) -> bool:
        """Whether it runs: it was started and not killed since."""

    async def start(self) -> None:
        """Listen."""

    async def kill(self) -> None:
        """End with all connections."""


class Stage:
    """
    Everything that the demo opens and closes.

    The demo's files go to `folder`; with `dovecot`, a folder for it, the servers are real ones. `say` shows a text to
    the user.
    """

    def __init__(
        self, folder: Path, ports: Ports, reactor: Any, say: Callable[[str], None], *, dovecot: Path | None = None
    ) -> None:
        self._folder = folder
        self._ports = ports
        self._reactor = reactor
        self._say = say
        self._dovecot = dovecot
        self._inbox = Inbox()
        self._servers: dict[str, Server] = {}
        self._others: list[IListeningPort] = []
        self._service: ProxyService | None = None
        self._invitation: Invitation | None = None
        self._changing: set[str] = set()

    async def open(self, *, has_keys: bool) -> None:
        """Start the servers, then the front, then show what to try."""
        files = certificates.make(self._folder)
        await self._open_servers(files)
        profile = "dovecot" if self._dovecot else "generic"
        path = configuration.write(self._folder, files, self._ports, profile)
        service = ProxyService(prepare(load(path)), self._reactor)
        service.bind()
        service.startService()
        self._service = service
        servers = "two Dovecots" if self._dovecot else "two mail servers"
        self._invitation = Invitation(self._folder, files, self._ports, servers, program())
        self._say(self._invitation.story(has_keys=has_keys) + "\n")
        # Without keys everything is shown at once.
        self._say(KEYS if has_keys else self._invitation.protocols() + "\n")
        self._say(WAITING)

    async def close(self) -> None:
        """Stop everything that `open` has started."""
        if self._service is not None:
            await self._service.stopService()
        for server in self._servers.values():
            await server.kill()
        for port in self._others:
            await maybeDeferred(port.stopListening)

    def press(self, key: str) -> None:
        """Do the action of a key."""
        if key == "p" and self._invitation is not None:
            self._say("\n" + self._invitation.protocols())
        elif key == "q":
            self._reactor.stop()
        elif (name := f"d{key}") in self._servers and name not in self._changing:
            self._changing.add(name)
            Deferred.fromCoroutine(self._kill_or_start(name))

    def observe(self, event: LogEvent) -> None:
        """Show the log's events of servers."""
        text = change(event)
        if text is not None:
            self._say(text)

    async def _open_servers(self, files: Certificates) -> None:
        self._inbox.deliver(account.WELCOME)
        for name in SERVERS:
            self._servers[name] = self._make(name)
            await self._servers[name].start()
        context = DefaultOpenSSLContextFactory(str(files.server), str(files.server))
        await self._listen(self._ports.vulnerable, lambda: VulnerableServer(context))
        if self._dovecot is not None:
            await self._listen(self._ports.relay, lambda: SubmissionServer(self._inbox, relays=True))

    def _make(self, name: str) -> Server:
        ports, reactor = self._ports.servers, self._reactor
        if self._dovecot is None:
            return EmbeddedServer(
                name,
                ports,
                self._inbox,
                reactor,
                report=lambda visit: self._say("\n" + learnt(visit)),
                on_refusal=lambda reason, peer: self._say("\n" + refused(name, reason, peer)),
            )
        return Dovecot(
            name, ports, self._ports.relay, self._dovecot, reactor, lambda *line: self._say("\n" + log_line(*line))
        )

    async def _listen(self, port: int, make: Callable[[], Any]) -> None:
        factory = Factory.forProtocol(make)
        factory.noisy = False
        endpoint = TCP4ServerEndpoint(self._reactor, port, interface=FRONT)
        self._others.append(await endpoint.listen(factory))

    async def _kill_or_start(self, name: str) -> None:
        server = self._servers[name]
        try:
            if server.is_up:
                await server.kill()
                self._say(f"\n{name} is killed")
            else:
                await server.start()
                self._say(f"\n{name} runs again")
        except (CannotListenError, DovecotError) as error:
            self._say(f"\n{name} does not start: {error}")
        finally:
            self._changing.remove(name)
