"""One frontend between clients and servers that a test plays, with a clock that the test turns."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.pool import Pool
from mailproxy.config import BackendTimeouts, FrontendTimeouts, InetBind, InetServer, UnixServer
from mailproxy.counting.block import Block
from mailproxy.front.capacity import Capacity
from mailproxy.front.frontend import Frontend
from mailproxy.front.limits import SourceGate
from mailproxy.front.loop import Loop
from mailproxy.proxyprotocol import Decoder, Header
from mailproxy.rules.surroundings import Bans
from mailproxy.session.gate import Gate
from mailproxy.session.numbers import FRONTEND
from mailproxy.session.session import Session
from mailproxy.session.terms import Terms
from mailproxy.tls.server import TlsServer
from mailproxy.transport.binding import bind_inet, bind_unix
from mailproxy.transport.poller import Poller
from tests.rules.builders import Around
from tests.rules.builders import rules as make_rules
from tests.tls.servers import NAME, server_context, tls_server
from tests.transport.peers import Peer, TlsPeer, TlsServerPeer, client_context
from tests.transport.relay import pump, settle

START = 1000.0
GREETING = b"* OK ready\r\n"
GREETINGS = {
    "imap": GREETING,
    "pop3": b"+OK ready\r\n",
    "smtp": b"220 ready\r\n",
    "submission": b"220 ready\r\n",
    "lmtp": b"220 ready\r\n",
    "managesieve": b'"SIEVE" "fileinto"\r\nOK "ready"\r\n',
    "tcp": b"welcome\r\n",
}

_LOG_MOMENT = 0.2


class BuggySocket(socket.SocketType):
    """A socket to a server; the connection being made meets a bug of ours."""

    def getsockopt(self, *_: object) -> Any:
        raise ZeroDivisionError("a bug")


def accept_if_any(server: socket.socket) -> socket.socket | None:
    """Accept a connection that waits for a server, if there is one."""
    try:
        return server.accept()[0]
    except BlockingIOError:
        return None


def accept_next(server: socket.socket, until: Callable[[Callable[[], object]], None]) -> socket.socket:
    """Run all parties until a connection waits for a server, and accept it."""
    taken: list[socket.socket] = []

    def take() -> bool:
        sock = accept_if_any(server)
        if sock is not None:
            taken.append(sock)
        return sock is not None

    until(take)
    return taken[0]


def is_asked(server: socket.socket) -> bool:
    """Whether a connection waits for a server; it is taken, and given up."""
    sock = accept_if_any(server)
    if sock is not None:
        sock.close()
    return sock is not None


def greet(
    client: Peer, server: socket.socket, peers: list[Peer], until: Callable[[Callable[[], object]], None]
) -> Peer:
    """Bring a client to the server's greeting; return the other end of its session, which is one of the peers now."""
    end = Peer(accept_next(server, until))
    peers.append(end)
    end.send(GREETING)
    until(lambda: client.data == GREETING)
    return end


class FakeServer:
    """A listening server of the backend, whose connections the test accepts."""

    def __init__(self, bench: Bench, name: str, sock: socket.socket) -> None:
        self._bench = bench
        self.name = name
        self.socket = sock
        sock.setblocking(False)

    def accept(self, greeting: bytes = b"") -> Peer:
        """Take the connection that has to be there, and say something first."""
        peer = self._bench.peer_of(accept_next(self.socket, self._bench.until))
        self._bench.peers.append(peer)
        if greeting:
            peer.send(greeting)
        return peer

    def refuse(self) -> None:
        """Stop listening, and keep the address, so that no other server can listen there."""
        address = self.socket.getsockname()
        self.socket.close()
        self.socket = socket.socket(self.socket.family)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setblocking(False)
        self.socket.bind(address)

    @property
    def is_asked(self) -> bool:
        """Whether a connection waits; it is taken, and given up."""
        self._bench.settle()
        return is_asked(self.socket)


class FakeReactor(Clock):
    """A reactor with a poller, whose clocks the test advances, and which counts how often it is stopped."""

    running = True

    def __init__(self) -> None:
        super().__init__()
        self.advance(START)
        self.poller = Poller(self.seconds)
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


class Bench:
    """
    A running frontend; settings of frontend and backend are those of the configuration.

    It is without TLS unless `tls` is given. `each` has what the servers' settings have in common. A bug that is logged
    fails the test, unless it `expects_bugs`.
    """

    def __init__(
        self,
        folder: Path,
        events: Sequence[LogEvent],
        *,
        tls: TlsServer | bool = False,
        servers: int = 1,
        family: str = "inet",
        bind: str = "inet",
        timeout: dict[str, float] | None = None,
        connect: float = 5.0,
        queue: float | None = None,
        send_proxy: str = "none",
        backend: dict[str, Any] | None = None,
        total: int = 1000,
        reach: Sequence[config.Server] = (),
        server_tls: config.ServerTls | None = None,
        each: dict[str, Any] | None = None,
        gates: Sequence[Gate] = (),
        source_gate: SourceGate | None = None,
        handshakes: Capacity | None = None,
        rules: Sequence[dict[str, Any]] = (),
        around: Around | None = None,
        bans: Bans | None = None,
        **frontend: Any,
    ) -> None:
        self.clock = FakeReactor()
        self.loop = Loop(self.clock)
        self.poller = self.clock.poller
        self.peers: list[Peer] = []
        self.events = events
        """Everything that was logged."""
        self._folder = folder
        self.expects_bugs = False
        self.server_tls = server_tls
        self.servers = [self._serve(number, family) for number in range(servers)]
        self.backend = config.Backend(
            name="dovecot",
            send_proxy=send_proxy,  # type: ignore[arg-type]  # one of the words
            timeout=BackendTimeouts(connect=connect, queue=queue),
            servers=tuple(reach)
            or tuple(
                config.Server(name=f"d{n + 1}", address=self._address(n), tls=server_tls, **(each or {}))
                for n in range(servers)
            ),
            **{"balance": "first"} | (backend or {}),
        )
        protocol = frontend.pop("protocol", "imap")
        mode = frontend.pop("mode", "implicit" if tls else "none")
        settings = config.Frontend(
            name="front",
            bind=(InetBind(ip_address("127.0.0.1"), 0),),
            protocol=protocol,
            tls=mode,
            backend="dovecot",
            timeout=FrontendTimeouts(**(timeout or {})),
            **frontend,
        )
        self.total = Capacity("maxconn", total)
        self.capacity = Capacity("maxconn of front", settings.maxconn)
        serves = (tls_server() if isinstance(tls, bool) else tls) if tls else None
        first = Backend(self.backend, protocol)
        ruled: dict[str, Any] = {}
        if rules:
            made = self.rules = make_rules(*rules, around=around)
            settings = evolve(settings, rules=made.rules)
            self.other = self._serve(servers, family)
            self.servers.append(self.other)
            server = config.Server(name="o1", address=self._address(servers))
            other = config.Backend(name="other", send_proxy=self.backend.send_proxy, servers=(server,))
            ruled = {"backends": {"dovecot": first, "other": Backend(other, protocol)}, "rules": made}
        terms = Terms.of(settings, first, serves, "mail.example.org", **ruled)
        self.frontend = Frontend(
            settings,
            terms,
            loop=self.loop,
            block=Block.alone(FRONTEND.length),
            capacities=(self.capacity, self.total),
            handshakes=handshakes,
            gates=gates,
            source_gate=source_gate,
            rule_blocks=[Block.alone(1) for _ in rules],
            bans=bans,
        )
        listening = {
            "inet": lambda: bind_inet(socket.AF_INET, "127.0.0.1", 0),
            "inet6": lambda: bind_inet(socket.AF_INET6, "::1", 0),
            "wildcard": lambda: bind_inet(socket.AF_INET, "0.0.0.0", 0),
            "unix": lambda: bind_unix(str(folder / "front.sock")),
        }[bind]()
        self.listening = listening.socket
        self._bound = listening
        self.frontend.start([listening])

    @cached_property
    def server_context(self) -> ssl.SSLContext:
        """What servers with TLS serve."""
        return server_context()

    def dials_with(self, make_socket: Callable[[int, int], socket.SocketType]) -> None:
        """Make the sockets to servers in another way from now on."""
        for server in self.pool.servers:
            assert server.target is not None
            server.target = evolve(server.target, make_socket=make_socket)

    def _serve(self, number: int, family: str) -> FakeServer:
        if family == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(str(self._folder / f"server{number}.sock"))
            sock.listen()
        elif family == "inet6":
            sock = socket.create_server(("::1", 0), family=socket.AF_INET6)
        else:
            sock = socket.create_server(("127.0.0.1", 0))
        return FakeServer(self, f"d{number + 1}", sock)

    def _address(self, number: int) -> InetServer | UnixServer:
        name = self.servers[number].socket.getsockname()
        return UnixServer(name) if isinstance(name, str) else InetServer(ip_address(name[0]), name[1])

    def peer_of(self, sock: socket.socket) -> Peer:
        """Be a server on a connection."""
        if self.server_tls is None:
            return Peer(sock)
        return TlsServerPeer(sock, self.server_context, has_header=self.backend.send_proxy != "none")

    @property
    def server(self) -> FakeServer:
        """The first server."""
        return self.servers[0]

    @property
    def pool(self) -> Pool[BackendServer]:
        """The servers as sessions know them."""
        return self.frontend.terms.backend.pool

    @property
    def taken(self) -> list[int]:
        """How many places are taken on each server."""
        return [server.sessions for server in self.pool.servers]

    # Clients.

    def socket(self, source: str | None = None) -> socket.socket:
        """Connect a client's socket."""
        listening = self.listening
        sock = socket.socket(listening.family)
        if source is not None:
            sock.bind((source, 0))
        name = listening.getsockname()
        sock.connect(("127.0.0.1", name[1]) if name[0] == "0.0.0.0" else name)
        return sock

    def client(self, source: str | None = None) -> Peer:
        """Connect a client without TLS."""
        peer = Peer(self.socket(source))
        self.peers.append(peer)
        return peer

    def tls_client(
        self,
        context: ssl.SSLContext | None = None,
        server_name: str | None = NAME,
        session: ssl.SSLSession | None = None,
        prefix: bytes = b"",
        source: str | None = None,
    ) -> TlsPeer:
        """Connect a client that sends some bytes before its TLS handshake."""
        peer = TlsPeer(self.socket(source), context or client_context(), server_name, session, prefix)
        self.peers.append(peer)
        return peer

    def starttls_client(self, command: bytes = b"a STARTTLS\r\n") -> TlsPeer:
        """Connect a client that sends STARTTLS and completes the handshake."""
        client = self.client()
        self.until(lambda: client.data)
        client.data.clear()
        client.send(command)
        self.until(lambda: client.data)
        self.peers.remove(client)
        peer = TlsPeer(client.socket, client_context(), NAME, None, b"")
        self.peers.append(peer)
        return peer

    # Time and turns.

    def until(self, is_there: Callable[[], object]) -> None:
        """Run all parties until a condition holds."""
        pump(self.poller, self.peers, is_there)

    def settle(self) -> None:
        """Run all parties until nothing happens."""
        settle(self.poller, self.peers)

    def advance(self, seconds: float) -> None:
        """Advance the clock, and run all parties."""
        self.settle()
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.advance(min(0.25, end - self.clock.seconds()))
            self.poller.poll(0)
        self.settle()

    # What happened.

    @property
    def session(self) -> Session:
        """The only session there is."""
        self.until(lambda: self.frontend.sessions)
        (session,) = self.frontend.sessions
        return session

    def relay(self, client: Peer | None = None) -> tuple[Peer, Peer]:
        """Connect a client and a server, after the greeting."""
        client = client or (self.client() if self.frontend.terms.tls is None else self.tls_client())
        server = self.server.accept(GREETING)
        self.until(lambda: client.data == GREETING)
        client.data.clear()
        return client, server

    def relay_with_header(self) -> tuple[Peer, Peer]:
        """The same with a server that wants a PROXY header, and took it."""
        client, server = self.relay()
        self.until(lambda: server.data)
        header_of(server)
        return client, server

    def end(self) -> None:
        """End the only session, from the server on."""
        client, server = self.peers
        server.end()
        self.until(lambda: client.fin)
        client.end()

    def over_one(self) -> dict[str, Any]:
        """Wait for one session to end, and return what is logged of it."""
        count = len(self.frontend.sessions)
        self.until(lambda: len(self.frontend.sessions) < count)
        return self.lines()[-1]

    def over(self) -> dict[str, Any]:
        """Wait for the only session to end, and return what is logged of it."""
        self.until(lambda: self.frontend.counters.connections and not self.frontend.sessions)
        (line,) = self.lines()
        return line

    def lines(self) -> list[dict[str, Any]]:
        """Return what is logged of the sessions that have ended."""
        self.clock.advance(_LOG_MOMENT)
        return [event for event in self.events if event.get("event") == "session"]

    def bugs(self) -> list[str]:
        """Return the tracebacks that were logged."""
        return [event["log_failure"].getTraceback() for event in self.events if "log_failure" in event]

    def close(self) -> None:
        """Give everything back."""
        for session in list(self.frontend.sessions):
            session.abort()
        self.frontend.stop()
        self._bound.close()
        for peer in self.peers:
            peer.socket.close()
        for server in self.servers:
            server.socket.close()
        self.poller.close()


@contextmanager
def open_bench(folder: Path, **settings: Any) -> Iterator[Bench]:
    """Run a frontend for one test."""
    with capturedLogs() as events:
        bench = Bench(folder, events, **settings)
        try:
            yield bench
        finally:
            bench.close()


def header_of(peer: Peer) -> Header:
    """Return the PROXY header that a server got first."""
    decoder = Decoder()
    header = decoder.feed(bytes(peer.data))
    assert header is not None
    peer.data[:] = decoder.unused
    return header
