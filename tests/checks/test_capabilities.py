"""Learning from servers that a test plays, over loopback and with the reactor's own time."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from mailproxy.checks.capabilities import Learner, Lesson, ask
from mailproxy.config import Backend, BackendTimeouts, InetServer, Server
from mailproxy.proxyprotocol import Decoder, Header
from mailproxy.session.backend import open_backend


class ImapServer(Protocol):
    """Reads a header, greets, and answers until LOGOUT."""

    def __init__(self, factory: "ImapServers") -> None:
        self._servers = factory
        self._decoder = Decoder()

    def connectionMade(self) -> None:
        self._servers.open += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._servers.open -= 1

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        if not self._servers.headers or not self._decoder.received:
            header = self._decoder.feed(data)
            assert header is not None
            self._servers.headers.append(header)
            self.transport.write(self._servers.greeting)
            return
        for line in data.splitlines():
            self._servers.lines.append(line)
            tag, command = line.split(b" ", 1)
            if command == b"CAPABILITY":
                self.transport.write(b"* CAPABILITY " + self._servers.offer + b"\r\n" + tag + b" OK done\r\n")
            elif command == b"LOGOUT":
                self.transport.write(b"* BYE\r\n" + tag + b" OK bye\r\n")


class ImapServers(Factory):
    noisy = False

    def __init__(self) -> None:
        self.greeting = b"* OK ready\r\n"
        self.offer = b"IMAP4rev1 IDLE AUTH=PLAIN"
        self.headers: list[Header] = []
        self.lines: list[bytes] = []
        self.open = 0

    def buildProtocol(self, addr: IAddress | None) -> ImapServer:
        return ImapServer(self)


async def until(is_there: Callable[[], object]) -> None:
    for _ in range(500):
        if is_there():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it did not come")


class CapabilityTests(TestCase):
    """`ask` and `Learner`."""

    def setUp(self) -> None:
        self.servers = ImapServers()
        self.port = cast(Any, reactor).listenTCP(0, self.servers, interface="127.0.0.1")
        port = cast(IPv4Address, self.port.getHost()).port
        self.address = f"127.0.0.1:{port}"
        self.addCleanup(self.port.stopListening)
        self.backend = open_backend(
            Backend(
                name="b",
                send_proxy="v2-ssl",
                timeout=BackendTimeouts(connect=1.0),
                servers=(Server(name="s", address=InetServer(ip_address("127.0.0.1"), port)),),
            ),
            "imap",
        )

    async def ask(self, with_tls: bool = True) -> Lesson:
        lesson = await ask(
            self.backend, self.backend.servers[0], "imap", "me.example", with_tls=with_tls, reactor=reactor
        )
        await until(lambda: not self.servers.open)
        return lesson

    async def test_server_says_what_it_offers(self) -> None:
        lesson = await self.ask()
        assert lesson == Lesson("s", (b"IMAP4rev1", b"IDLE", b"AUTH=PLAIN"))
        assert self.servers.lines[-1].endswith(b"LOGOUT")

    async def test_header_tells_of_our_own_connection_and_of_tls(self) -> None:
        await self.ask()
        (header,) = self.servers.headers
        assert header.ssl is not None
        assert header.ssl.version == "TLSv1.3"
        assert str(header.destination) == self.address

    async def test_header_without_tls_says_so(self) -> None:
        await self.ask(with_tls=False)
        (header,) = self.servers.headers
        assert header.ssl is not None
        assert header.ssl.client == 0

    async def test_starttls_behind_tls_is_noticed(self) -> None:
        self.servers.offer += b" STARTTLS"
        lesson = await self.ask()
        assert lesson.still_offers_starttls

    async def test_silent_server_is_given_up(self) -> None:
        self.servers.greeting = b""
        lesson = await self.ask()
        assert lesson == Lesson("s", None, "no list within 1 s")

    async def test_refusing_server_is_no_teacher(self) -> None:
        self.servers.greeting = b"* BYE not now\r\n"
        lesson = await self.ask()
        assert lesson.capabilities is None
        assert lesson.failure

    async def test_closed_port_is_no_teacher(self) -> None:
        await maybeDeferred(self.port.stopListening)
        lesson = await self.ask()
        assert lesson.capabilities is None
        assert "refused" in lesson.failure

    async def test_learner_tells_once_what_stays_the_same(self) -> None:
        told: list[tuple[bytes, ...]] = []
        learner = Learner(
            self.backend,
            "imap",
            "me.example",
            with_tls=True,
            interval=0.02,
            learned=told.append,
            reactor=reactor,
        )
        learner.start()
        await until(lambda: len(self.servers.headers) >= 3)
        learner.stop()
        await until(lambda: not self.servers.open)
        assert told == [(b"IMAP4rev1", b"IDLE", b"AUTH=PLAIN")]
