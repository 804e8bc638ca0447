"""
One client's life.

Theory of operation. A session is in one stage at a time; the stage decides which method hears of the client's socket
(`Poller.ready`) and which one hears that the stage takes too long (`_late`)::

    arrival (PROXY header) -> conversation (before STARTTLS) -> handshake -> dial -> relay
                                                    any of them -> part

Stages that do not apply are skipped. `part` (politely) and `lose` (at once) end a session with an `Ending`; the first
one counts. After `part` there is only parting: last words, close_notify, FIN, and a deadline that closes the sockets
in any case.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Protocol

from mailproxy.announce.backend_tlvs import NO_WORDS
from mailproxy.announce.client_tls import OFFLOADED
from mailproxy.announce.ends import PackedAddress
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.mail.dialogue import open_dialogue
from mailproxy.mail.greeting import GreetingReader
from mailproxy.mail.step import Step
from mailproxy.proxyprotocol import Address, Command, Expectation, Header, SslClient
from mailproxy.session.arrival import Arrival, begins_header
from mailproxy.session.conversation import Conversation
from mailproxy.session.counters import Counters
from mailproxy.session.dial import Dial
from mailproxy.session.termination import (
    BUG,
    CLIENT_LEFT,
    CLIENT_REFUSED,
    CLIENT_SILENT,
    DONE,
    FLOODED,
    HANDSHAKE_FAILED,
    HANDSHAKE_LATE,
    HANDSHAKE_LEFT,
    HEADER_REFUSED,
    INJECTED,
    SERVER_LEFT,
    SERVER_SILENT,
    SHUT_DOWN,
    VISIT_OVER,
    Ending,
    Letter,
    Termination,
)
from mailproxy.session.terms import Terms
from mailproxy.session.words import header_words
from mailproxy.tls.facts import TlsFacts
from mailproxy.tls.openssl import WANT_WRITE
from mailproxy.transport.deadlines import Deadlines
from mailproxy.transport.listener import Listener
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import EDGE, END, GONE, READ, WRITE, Poller, Ready
from mailproxy.transport.secure import HandshakeError, SecureStream
from mailproxy.transport.stream import FLOOD, MESSAGE_IN_PIECES, RENEGOTIATION, VIEW, Stream

# Without a byte for so long, a session is between two commands, as far as can be told without reading it.
QUIET_SECONDS = 1.0

# After a line's end and so long without a byte, a server that is in the middle of something is hardly thinkable.
PAUSE_SECONDS = 0.1

# A proxy that connects for itself, only to see whether we are there, has left by then: no server is asked for that. One
# that waits for a greeting may not have much longer.
LOCAL_SECONDS = 0.1

# A client that says more than these reads bring, before there is a server, may miss why it is hung up on.
DROPPED_READS = 16

_LINE_END = 0x0A

# The first byte of TLS (RFC 8446 section 5.1).
_HANDSHAKE_RECORD = b"\x16"


class Front(Protocol):
    """The frontend that accepted a session, as far as the session knows it: what outlives both it and its terms."""

    poller: Poller
    deadlines: Deadlines
    counters: Counters
    process: str
    """Tells the ids of this process's sessions from those of others."""

    def dropped_ssl(self, backend: Backend) -> None:
        """Tell, once, that the backend does not learn what a header said of the client's TLS."""

    def leave(self, session: Session) -> None:
        """See a session off that is over."""


class Session:
    """
    A client's connection from accept to close, and everything that its log line tells.

    It keeps the `terms` that its frontend had at the accept, and the `backend` that it took when it dialled. It lives
    in its frontend's `sessions`, and tells the frontend when it is over.
    """

    __slots__ = (
        "_conversation",
        "_dial",
        "_front",
        "_handed_over",
        "_last_words",
        "_late",
        "_listener",
        "backend",
        "bucket",
        "client",
        "deadline",
        "destination",
        "ended",
        "facts",
        "first_to_end",
        "greeted",
        "header",
        "is_over",
        "left_out",
        "number",
        "peer",
        "place",
        "retries",
        "secured",
        "server",
        "source",
        "started",
        "stream",
        "termination",
        "terms",
    )

    def __init__(
        self, front: Front, terms: Terms, sock: socket.SocketType, peer: Any, number: int, listener: Listener
    ) -> None:
        self._front = front
        self.terms = terms
        """What its frontend's configuration said when it was accepted."""
        self.backend: Backend | None = None
        """Where it goes, from the dial on."""
        self.number = number
        self.peer = peer
        """The client's end of the connection as ``accept`` returned it."""
        self._listener = listener
        self.source: Address | PackedAddress | None = None
        self.destination: Address | PackedAddress | None = None
        self.header: Header | None = None
        """The PROXY header that the connection began with."""
        self.facts: TlsFacts | None = None
        self.client: Stream = PlainStream(sock, front.poller, self)
        self.stream: Stream | None = None
        """The connection to the server."""
        self.server: BackendServer | None = None
        self.place: BackendServer | None = None
        """The server on which this has a place, from the greeting to the end of the connection there."""
        self.retries = 0
        self.left_out: tuple[str, ...] = ()
        self.termination: Termination | None = None
        """What ends it, from the moment at which that is decided."""
        self.first_to_end = ""
        self.started = front.poller.now
        self.secured = 0.0
        self.greeted = 0.0
        self.ended = 0.0
        self.is_over = False
        self.deadline = 0.0
        self.bucket = 0
        self._dial: Dial | None = None
        self._handed_over: Step | None = None
        self._last_words = b""
        self._conversation: Conversation | None = None
        """What is said before TLS, from the greeting until it ends."""
        self._late: Callable[[], None] = self._close

    @property
    def id(self) -> str:
        """The session's name in the log and, if wanted, in the header (UNIQUE_ID); unique on this machine."""
        return f"{self._front.process}-{self.number:x}"

    def wait(self, seconds: float, late: Callable[[], None]) -> None:
        """Let this be called in so many seconds, unless there is something else to wait for by then."""
        self._late = late
        self._front.deadlines.set(self, seconds)

    def expired(self) -> None:
        """Hear that the stage has taken too long."""
        self._late()

    def broke(self) -> None:
        """Hear of a bug of ours while handling an event."""
        self.lose(BUG, "internal error")

    @property
    def is_local(self) -> bool:
        """True when a proxy before us has connected for itself, not for a client (spec section 2.2, LOCAL)."""
        return self.header is not None and self.header.command is Command.LOCAL

    @property
    def is_offloaded(self) -> bool:
        """True when the client is on TLS that ends before us, by the configuration and not against the header."""
        terms = self.terms
        if not terms.offloaders or self.is_local:
            return False
        says = None if self.header is None else self.header.ssl
        return (says is None or bool(says.client & SslClient.SSL)) and terms.is_offloader(self._host)

    @property
    def _host(self) -> IPv4Address | IPv6Address | None:
        """The address that this came from, None for a UNIX socket."""
        return None if self._listener.is_unix else ip_address(self.peer[0])

    # The PROXY header of a proxy before us.

    def begin(self) -> None:
        """Start with what the client's own address tells us to expect."""
        front, terms = self._front, self.terms
        client = self.client
        client.events = READ
        accept = terms.accept
        if accept is None:
            front.poller.add(client.fd, self._on_hello, READ)
            self._begin()
            return
        expectation = accept.expectation(self._host)
        if expectation is Expectation.DIRECT:
            front.poller.add(client.fd, self._on_first_bytes, READ)
            self._begin()
        elif expectation is Expectation.REFUSED:
            front.poller.add(client.fd, self._on_hello, READ)
            self.part(CLIENT_REFUSED, f"{self._stranger} is not in {terms.accept_keys}")
        else:
            arrival = Arrival(self, client.socket, accept, expectation, terms.timeout.proxy_header_optional)
            front.poller.add(client.fd, arrival.on_event, READ)
            arrival.begin()

    @property
    def _stranger(self) -> str:
        """What a list of senders would have to have for this client, in words."""
        return '"unix"' if self._listener.is_unix else f"its address, {self.peer[0]},"

    def announced(self, header: Header | None) -> None:
        """Take a header, or go on without where that is allowed."""
        front, terms = self._front, self.terms
        # Who is believed once is not believed again: what follows is the client's own, and may claim anything.
        is_watched = header is None or terms.begins_in_clear
        front.poller.ready[self.client.fd] = self._on_first_bytes if is_watched else self._on_hello
        self.header = header
        if header is not None:
            front.counters.headers += 1
            if (addresses := header.stream_addresses) is not None:
                self.source, self.destination = addresses
        self._begin()

    def _on_first_bytes(self, events: int) -> None:
        """
        Make sure that a client that is not to send a header does not: what it claims there must reach nobody.

        Bytes that a header may begin with stay in the socket until it is clear what they are. No mail client waits
        for an answer to them.
        """
        client = self.client
        poller = self._front.poller
        if events & client.events & WRITE:
            client.drain()
            if client.fd < 0:
                return
        try:
            claims = begins_header(client.socket)
        except BlockingIOError:
            return
        except OSError as error:
            # To be told now: the next read would find an end where the connection was reset.
            client.fail(error.strerror or str(error))
            return
        if claims is None and not events & (END | GONE):
            if not client.events & EDGE:
                client.events |= EDGE
                poller.change(client.fd, client.events)
            return
        if claims:
            self.part(HEADER_REFUSED, self._why_no_header())
            return
        if client.events & EDGE:
            client.events &= ~EDGE
            poller.change(client.fd, client.events)
        ready: Ready
        if self.stream is not None:
            ready = client.on_event
        elif self._conversation is not None:
            ready = self._conversation.on_event
        else:
            ready = self._on_hello
        poller.ready[client.fd] = ready
        ready(events)

    def _why_no_header(self) -> str:
        """Say why a header is not taken."""
        terms = self.terms
        assert terms.accept is not None
        if self.header is not None:
            return "a second PROXY header"
        if terms.accept.expectation(self._host) is Expectation.MAYBE:
            return f"PROXY header after {terms.timeout.proxy_header_optional:g} s without a byte"
        return f"PROXY header, and {self._stranger} is not in {terms.accept_keys}"

    # From the real beginning: what the client says before TLS, and TLS.

    def _begin(self) -> None:
        front, terms = self._front, self.terms
        if self.source is None and not self._listener.is_unix:
            self.source, self.destination = ends_of(self.client.socket, self.peer, self._listener.local)
        if terms.dialogue is not None:
            dialogue = open_dialogue(terms.protocol, terms.dialogue)
            conversation = self._conversation = Conversation(self, self.client, dialogue, terms.timeout.login)
            if front.poller.ready[self.client.fd] != self._on_first_bytes:
                front.poller.ready[self.client.fd] = conversation.on_event
            self.wait(terms.timeout.login, conversation.expired)
            conversation.begin()
        elif terms.tls is not None:
            self.wait(terms.timeout.handshake, self._no_handshake)
        else:
            self._want_server()

    def tls_wanted(self) -> None:
        """Shake hands: the client has asked for it."""
        self._conversation = None
        self._front.poller.ready[self.client.fd] = self._on_hello
        self.wait(self.terms.timeout.handshake, self._no_handshake)

    def taken_over(self, step: Step) -> None:
        """Let a server go on with a client that stays in clear."""
        self._conversation = None
        self._handed_over = step
        self._front.poller.ready[self.client.fd] = self._on_early_bytes
        self._begin_dial()

    def _on_hello(self, events: int) -> None:
        """Begin the handshake with its first bytes: whoever connects and says nothing costs no TLS state."""
        front, terms = self._front, self.terms
        if terms.tls is None:
            self._on_early_bytes(events)
            return
        if terms.dialogue is not None and not self._begins_tls():
            return
        client = SecureStream(self.client.socket, front.poller, self, terms.tls)
        client.events = READ
        self.client = client
        front.poller.ready[client.fd] = self._on_handshake
        self._on_handshake(events)

    def _begins_tls(self) -> bool:
        """Make sure that STARTTLS is followed by TLS: all else was put there by somebody in between."""
        try:
            first = self.client.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError as error:
            self.lose(CLIENT_LEFT, error.strerror or str(error))
            return False
        if first in (b"", _HANDSHAKE_RECORD):
            return True
        self.part(INJECTED, "bytes after STARTTLS that are not TLS")
        return False

    def _on_handshake(self, events: int) -> None:
        client = self.client
        assert isinstance(client, SecureStream)
        front, terms = self._front, self.terms
        try:
            waits_for = client.handshake()
        except HandshakeError as error:
            left = VISIT_OVER if self.is_local else HANDSHAKE_LEFT
            self.part(left if error.is_theirs else HANDSHAKE_FAILED, f"TLS handshake: {error}")
            return
        if not waits_for:
            assert terms.tls is not None
            self.facts = terms.tls.facts(client.ssl)
            self.secured = front.poller.now
            front.poller.ready[client.fd] = self._on_early_bytes
            self._want_server()
            return
        wanted = WRITE if waits_for == WANT_WRITE else READ
        if wanted != client.events:
            client.events = wanted
            front.poller.change(client.fd, wanted)

    def _no_handshake(self) -> None:
        self.part(HANDSHAKE_LATE, f"TLS handshake: not done within {self.terms.timeout.handshake:g} s")

    # The server.

    def _want_server(self) -> None:
        """Dial: at once for a client, and for a proxy that has connected for itself if it stays."""
        if self.is_local:
            self.wait(LOCAL_SECONDS, self._begin_dial)
        else:
            self._begin_dial()

    def _begin_dial(self) -> None:
        front, terms = self._front, self.terms
        backend = self.backend = terms.backend
        unique_id = self.id.encode() if backend.sends_unique_id else b""
        if self.is_local:
            # Passed on as what it is. What the proxy says of itself is not about a client, and ends here.
            built = backend.header.build(None, None, self.facts, None, unique_id)
            self.left_out = built.left_out
        else:
            facts = OFFLOADED if self.is_offloaded else self.facts
            words = header_words(self) if backend.header.has_formats else NO_WORDS
            built = backend.header.build(self.source, self.destination, facts, self.header, unique_id, words)
            self.left_out = built.left_out
            if self.header is not None and backend.header.drops_ssl(self.header):
                self.left_out += ('SSL that came in: proxy-v2-pass-tlvs has no "ssl"',)
                front.dropped_ssl(backend)
        self._dial = Dial(
            self,
            backend,
            built.data,
            front.poller,
            key=backend.key(self.source),
            source=self.source,
            server_name=None if self.facts is None else self.facts.server_name,
            speaks_first=terms.server_speaks_first,
            make_reader=None if terms.dialogue is None else self._make_reader,
        )
        self._dial.begin()

    def _make_reader(self) -> GreetingReader:
        """Return what reads a server's greeting to a client that was greeted already."""
        prelude = b"" if self._handed_over is None else self._handed_over.prelude
        return GreetingReader(self.terms.protocol, after_tls=self.facts is not None, prelude=prelude)

    def _on_early_bytes(self, events: int) -> None:
        """
        Leave what the client says before the server has greeted where it is, unless it has gone.

        From its first bytes on only its end is watched for: TLS may say goodbye in one event, and hang up in the next.
        """
        client = self.client
        if events & GONE:
            try:
                client.socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return  # it was another connection that has gone, on a descriptor that was reused since
            except OSError:
                pass  # whatever the reason
            self.lose(CLIENT_LEFT, "connection closed by the client")
        elif not events & END:
            self._front.poller.change(client.fd, END)
            client.events = END
        elif self._handed_over is None and client.has_left():
            self.lose(CLIENT_LEFT, "connection closed by the client")
        else:
            self._front.poller.pause(client.fd)
            client.events = 0

    def no_server(self, ending: Ending, reason: str, words: bytes = b"") -> None:
        """Refuse the client, in a server's words or else in ours: no server takes it."""
        self._end_dial()
        front, terms = self._front, self.terms
        self._decide(ending, reason)  # before the client can leave, which would be another ending
        self._last_words = words or terms.refusal
        if self.facts is not None and terms.dialogue is not None and terms.refuses_when_asked:
            self.wait(terms.timeout.close, self._refuse)
            front.poller.ready[self.client.fd] = self._on_refused_command
            self.client.watch()
        else:
            self._refuse()

    def _on_refused_command(self, events: int) -> None:
        """Refuse the client once it has said a line: that is what the refusal answers."""
        try:
            count = self.client.read_some()
        except OSError:
            self._close()
            return
        if count < 0 or b"\n" in bytes(VIEW[: max(count, 0)]):
            self._refuse()

    def _refuse(self) -> None:
        self.client.say(self._last_words)
        self._part()

    def _end_dial(self) -> None:
        dial = self._dial
        if dial is not None:
            self._dial = None
            self.server = dial.server
            self.retries = dial.retries
            dial.cancel()

    def dialled(self, stream: Stream, greeting: int) -> None:
        """Join client and server, with so many bytes of the server's greeting in the shared buffer."""
        front, terms = self._front, self.terms
        self._end_dial()
        self.place = self.server
        self.stream = stream
        client = self.client
        client.peer = stream
        stream.peer = client
        poller = front.poller
        poller.ready[stream.fd] = stream.on_event
        # A client in clear that is not to send a PROXY header is looked at once more when it speaks.
        if poller.ready[client.fd] != self._on_first_bytes:
            poller.ready[client.fd] = client.on_event
        self.greeted = client.active = poller.now
        front.counters.sessions += 1
        self.wait(terms.silence, self._silent)
        if greeting:
            stream.last_byte = VIEW[greeting - 1]
            client.put(greeting)
        if self._handed_over is not None and not self.is_over:
            stream.say(self._handed_over.pending)
            self._handed_over = None
        if not self.is_over:
            client.watch()

    # The relay.

    def _patience(self) -> tuple[float, Ending]:
        """Return how many more seconds of silence end the session, and which side is silent too long then."""
        client, stream = self.client, self.stream
        assert stream is not None
        timeout = self.terms.timeout
        now = self._front.poller.now
        half_closed = client.read_ended or client.write_ended
        client_left = client.active + (timeout.client_fin if half_closed else timeout.client) - now
        half_closed = stream.read_ended or stream.write_ended
        server_left = stream.active + (timeout.server_fin if half_closed else timeout.server) - now
        return (client_left, CLIENT_SILENT) if client_left <= server_left else (server_left, SERVER_SILENT)

    def _silent(self) -> None:
        seconds, ending = self._patience()
        if seconds > 0:
            self.wait(seconds, self._silent)
        else:
            self.part(ending, f"the {'client' if ending is CLIENT_SILENT else 'server'} was silent for too long")

    def stream_ended(self, stream: Stream) -> None:
        """Note who ended first; the other side gets to know, and then has less time for silence."""
        if self.is_relaying:
            self.first_to_end = self.first_to_end or ("client" if stream is self.client else "server")
            seconds, _ = self._patience()
            self.wait(max(seconds, 0.0), self._silent)

    def stream_failed(self, stream: Stream, reason: str) -> None:
        """End a session of which one side is broken: what the server said last still reaches the client."""
        if self.is_over:
            return
        if self.termination is not None:
            self._close()
        elif reason in (FLOOD, RENEGOTIATION, MESSAGE_IN_PIECES):
            if stream is self.client:
                self.lose(FLOODED, f"client: {reason}")
            else:
                self.part(FLOODED, f"server: {reason}")
        elif stream is self.client:
            if self.first_to_end == "server" and not stream.backlog:
                # The server had finished and everything was delivered: how the client then hangs up is its own affair.
                self.relay_over()
            else:
                self.lose(CLIENT_LEFT, reason)
        elif self.first_to_end == "server":
            self.part(DONE, "")
        else:
            self.part(SERVER_LEFT, reason)

    def relay_over(self) -> None:
        """Hear that everything is delivered and both sides have ended."""
        self.lose(DONE, "")

    # Parting.

    @property
    def is_relaying(self) -> bool:
        """True from the server's greeting on."""
        return self.stream is not None and self.termination is None

    @property
    def is_quiet(self) -> bool:
        """
        True when closing now interrupts nothing that can be seen: nothing moved lately, nothing is on its way.

        By the poller's clock, which whoever asks brings up to date.
        """
        return self._has_been_quiet_for(QUIET_SECONDS)

    def _has_been_quiet_for(self, seconds: float) -> bool:
        client, stream = self.client, self.stream
        if stream is None:
            return True
        moved = max(client.active, stream.active)
        return not client.backlog and not stream.backlog and self._front.poller.now - moved >= seconds

    @property
    def _may_interrupt(self) -> bool:
        """True when a line of our own would stand between two of the server's, as far as can be told."""
        stream = self.stream
        return (
            stream is not None
            and stream.last_byte == _LINE_END
            and not self.client.finishing  # the server has ended, and the client knows
            and self._has_been_quiet_for(PAUSE_SECONDS)
        )

    def shut_down(self, ending: Ending = SHUT_DOWN, reason: str = "shut down") -> None:
        """
        End politely, because this process does, or because the session's server is not to be used any more.

        The client hears the reason in its protocol's words if it can: where servers may speak unasked, and when nothing
        is on its way that these words would get into.
        """
        if self.termination is not None:
            return
        is_early = self.stream is None
        if self._dial is not None:
            self.client.say(self.terms.refusal)
        elif self._conversation is not None or self._may_interrupt:
            self.client.say(self.terms.goodbye)
        self.part(ending, reason)
        if is_early:
            # Nothing was under way, so there is nothing to wait for: thousands of clients would hold up the exit.
            self._drop_what_was_said()
            self._close()

    def _drop_what_was_said(self) -> None:
        """Read what the client has said so far: a socket closed with unread data resets, and our words may be lost."""
        try:
            for _ in range(DROPPED_READS):
                if self.is_over or self.client.read_some() <= 0:
                    return
        except OSError:
            return  # nobody is there to hear our words

    def abort(self) -> None:
        """End at once, because this process does: with close_notify and FIN, but without waiting for the client's."""
        self.shut_down()
        self._close()

    @property
    def _stage(self) -> Letter:
        """HAProxy's letter for how far this has come."""
        if self.stream is not None:
            return "D"
        if self._dial is None:
            return "R"
        return "Q" if self._dial.is_queued else "C"

    def _decide(self, ending: Ending, reason: str) -> None:
        """Keep what ends this, and count it; the first ending is the one that counts."""
        if self.termination is None:
            if ending.counter:
                self._front.counters.count(ending.counter)
            self.termination = Termination(ending, ending.stage or self._stage, reason)

    def lose(self, ending: Ending, reason: str) -> None:
        """End at once: nothing more can be said to the client."""
        self._decide(ending, reason)
        self._close()

    def part(self, ending: Ending, reason: str) -> None:
        """End politely: the client gets what was said to it, close_notify and FIN."""
        if not self.is_over:
            self._decide(ending, reason)
            self._part()

    def _part(self) -> None:
        """Close the server's side; let the client have what was said to it, then close_notify and FIN, then close."""
        if self.is_over:
            return
        terms = self.terms
        self._leave_server()
        client = self.client
        if isinstance(client, SecureStream) and self.facts is None:
            # TLS has failed, and has said so; the socket below can still be closed in good order.
            client = self.client = client.without_tls()
        self.wait(terms.timeout.close, self._close)
        client.linger()

    def _leave_server(self) -> None:
        self._end_dial()
        if self.stream is not None:
            self.stream.close()
        place = self.place
        if place is not None:
            assert self.backend is not None
            self.place = None
            self.backend.pool.leave(place, self._front.poller.now)

    def _close(self) -> None:
        """Give everything up, and be counted and logged."""
        if self.is_over:
            return
        self.is_over = True
        self.ended = self._front.poller.look_at_clock()
        self._front.deadlines.clear(self)
        self._leave_server()
        self.client.close()
        self._conversation = None
        self._late = _nothing  # the last reference to ourselves
        self._front.leave(self)


def _nothing(*_: object) -> None:
    """Do nothing."""


def ends_of(
    sock: socket.SocketType, peer: Any, local: PackedAddress | None
) -> tuple[PackedAddress | None, PackedAddress | None]:
    """Return both ends of an internet connection as a PROXY header has them; None if the client is gone already."""
    host, port = peer[:2]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if local is None:
        try:
            here = sock.getsockname()
        except OSError:
            return None, None
        local = socket.inet_pton(family, here[0]), here[1]
    return (socket.inet_pton(family, host), port), local
