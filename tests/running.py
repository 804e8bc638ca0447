"""A service in memory, its server, and its clients."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, capturedLogs

from mailproxy import config
from mailproxy.config import (
    Backend,
    Config,
    ConfigError,
    Frontend,
    FrontendTimeouts,
    InetBind,
    InetServer,
    Server,
    TlsProfile,
)
from mailproxy.config.model import FrontendTls
from mailproxy.front.prepare import Prepared, prepare
from mailproxy.service import ProxyService
from tests.session.bench import FakeReactor, greet
from tests.tls.issue import issue
from tests.tls.servers import NAME
from tests.transport.peers import Peer, TlsPeer, client_context
from tests.transport.relay import pump

LOOPBACK = ip_address("127.0.0.1")
ANY_PORT = InetBind(LOOPBACK, 0)


class ThreadedReactor(FakeReactor):
    """A reactor that threads may call."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.has_turned = False

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        self._calls.put(partial(call, *arguments))

    def turn(self) -> None:
        """Do what other threads have left to do."""
        while not self._calls.empty():
            self._calls.get()()
            self.has_turned = True


class FakeLog:
    """The log of a process, which writes nothing."""

    def __init__(self) -> None:
        self.configured: list[Config] = []
        self.reopened = 0

    def configure(self, settings: Config) -> None:
        self.configured.append(settings)

    def reopen(self) -> bool:
        self.reopened += 1
        return True

    def lines_dropped(self) -> int:
        return 0


class Running:
    """A service, its server, and its clients."""

    def __init__(self, folder: Path, events: list[LogEvent], **settings: Any) -> None:
        self.reactor = ThreadedReactor()
        self.events = events
        self.peers: list[Peer] = []
        self.stopped: Deferred[None] | None = None
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        try:
            prepared = self.prepare(folder, **settings)
            self.process_state = prepared.process_state
            self.service = ProxyService(prepared, self.reactor)
        except ConfigError:
            self.server.close()
            raise

    def prepare(self, folder: Path, **settings: Any) -> Prepared:
        return prepare(configuration(folder, self.server.getsockname()[1], **settings))

    def start(self) -> None:
        self.service.bind()
        self.service.startService()

    @property
    def listening(self) -> list[socket.socket]:
        """The sockets, frontend by frontend."""
        by_frontend = self.process_state.sockets.by_frontend(frontend.settings for frontend in self.service.frontends)
        return [bound.socket for sockets in by_frontend.values() for bound in sockets]

    def client(self, number: int = 0, *, tls: bool = False, name: str = NAME) -> Peer:
        """Connect a client to one of the sockets, and bring it to the server's greeting."""
        listening = self.listening
        sock = socket.socket(listening[number].family)
        sock.connect(listening[number].getsockname())
        client = TlsPeer(sock, client_context(), name) if tls else Peer(sock)
        self.peers.append(client)
        return client

    def relay(self, number: int = 0, *, tls: bool = False, name: str = NAME) -> tuple[Peer, Peer]:
        client = self.client(number, tls=tls, name=name)
        return client, greet(client, self.server, self.peers, self.until)

    def stay_busy(self, client: Peer, seconds: float) -> None:
        """Advance, and let a client send a byte again and again."""
        end = self.reactor.seconds() + seconds
        while self.reactor.seconds() < end and not self.has_stopped:
            client.send(b"x")
            self.advance(0.25)

    def until(self, is_there: Callable[[], object]) -> None:
        def is_there_now() -> object:
            self.reactor.turn()
            return is_there()

        pump(self.reactor.poller, self.peers, is_there_now)

    def advance(self, seconds: float) -> None:
        end = self.reactor.seconds() + seconds
        while self.reactor.seconds() < end:
            self.reactor.poller.poll(0)
            for peer in self.peers:
                peer.pull()
            self.reactor.advance(min(0.05, end - self.reactor.seconds()))

    def stop(self) -> Deferred[None]:
        self.stopped = self.service.stopService()
        return self.stopped

    @property
    def has_stopped(self) -> bool:
        return self.stopped is not None and self.stopped.called

    def logged(self, kind: str) -> list[LogEvent]:
        return [event for event in self.events if event.get("event") == kind]

    def close(self) -> None:
        self.service.generation.retire()
        for frontend in self.service.frontends:
            frontend.stop()
        for session in list(self.service.sessions):
            session.abort()
        self.process_state.sockets.close()
        for peer in self.peers:
            peer.socket.close()
        self.server.close()
        self.reactor.poller.close()


def configuration(
    folder: Path,
    port: int,
    *,
    bind: tuple[config.Bind, ...] = (ANY_PORT,),
    tls: FrontendTls = "none",
    frontends: tuple[Frontend, ...] = (),
    profile: dict[str, Any] | None = None,
    timeout: FrontendTimeouts | None = None,
    **settings: Any,
) -> Config:
    """Make a configuration of one frontend, unless others are given, and one server."""
    (folder / "mail.pem").write_bytes(issue(NAME).pem)
    (folder / "mail.pem").chmod(0o600)
    certificates = (str(folder / "mail.pem"),)
    dovecot = Backend(
        name="dovecot", send_proxy="none", servers=(Server(name="d1", address=InetServer(LOOPBACK, port)),)
    )
    return Config(
        tls={"default": TlsProfile(**{"name": "default", "certificates": certificates} | (profile or {}))},
        frontends=frontends
        or (
            Frontend(
                name="front",
                bind=bind,
                protocol="imap",
                tls=tls,
                backend="dovecot",
                timeout=timeout or FrontendTimeouts(),
            ),
        ),
        **{"backends": {"dovecot": dovecot}} | settings,
    )


Make = Callable[..., Running]
"""Makes a service with these settings, which is not started."""


@contextmanager
def making(folder: Path) -> Iterator[Make]:
    """Make services with their files in a folder; in the end they are closed."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Running:
            events: Any = stack.enter_context(capturedLogs())
            made = Running(folder, events, **settings)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with making(tmp_path) as make:
        yield make


@pytest.fixture
def running(make: Make) -> Running:
    made = make()
    made.start()
    return made


@pytest.fixture
def gentle(make: Make) -> Running:
    """A service with a time of its own for each part of the stop."""
    made = make(drain_delay=5.0, drain_timeout=60.0, drain_spread=20.0, hard_stop_after=3.0)
    made.start()
    return made
