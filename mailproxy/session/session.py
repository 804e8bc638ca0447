"""
One client's connection, from accept to close.

Theory of operation. A session is in one stage at a time (`Session.stage`). Each stage has its own file. It handles the
events of the client's socket (`ready`) and its deadline (`expired`), and has HAProxy's letter (`letter`) and the last
words to the client if the session is shut down in it (`farewell`)::

    stage         letter   ends with          the next stage
    Arrival       R        announced          as below: the first one that the frontend has
    Tarpit        R        (time passes)      over, Parting, or Handshake for a refusal in words
    Conversation  R        begin_handshake    Handshake
                           taken_over         Waiting, for a client that stays without TLS
    Handshake     R        handshake_done     Waiting
    Waiting       R Q C    dialled            Relay
                           no_server          Refusal, if the refusal is to answer a command; else Parting
    Refusal                refuse             Parting
    Relay         D        (both sides end)   over
    Parting                (the client ends)  over

A client that may not send a PROXY header has a `Guard` between its socket and the stage, until its first bytes have
come. The rules of the frontend are tried before the first stage after Arrival, and before Waiting if they need facts
of TLS; `mailproxy.session.ruling` says whether the next stage may be entered. In any stage `part` ends the session
politely, with Parting, and `lose` ends it at once. Both take an `Ending`; the first one counts, and becomes the
session's `Termination`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from mailproxy.announce.addresses import PackedAddress
from mailproxy.announce.left_out import LeftOut
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.counting.page import Numbers
from mailproxy.mail.dialogue import open_dialogue
from mailproxy.mail.step import Step
from mailproxy.proxyprotocol import Address, Command, Expectation, Header, SslClient
from mailproxy.rules.decision import Decision, Pending
from mailproxy.rules.unknown import UNKNOWN
from mailproxy.session.addresses import packed_pair
from mailproxy.session.arrival import NOT_ALLOWED, Arrival, not_accepted
from mailproxy.session.conversation import Conversation
from mailproxy.session.gate import Rejection
from mailproxy.session.guard import Guard
from mailproxy.session.handshake import Handshake, Room
from mailproxy.session.numbers import COUNTERS, HEADERS, SESSIONS
from mailproxy.session.parting import Parting, Refusal, drop_unread
from mailproxy.session.relay import Relay
from mailproxy.session.ruling import try_rules, try_rules_again
from mailproxy.session.stage import Outside, Stage
from mailproxy.session.tarpit import Places, Tarpit
from mailproxy.session.termination import (
    BUG,
    CLIENT_REFUSED,
    FINISHED,
    REJECTED,
    SHUT_DOWN,
    Ending,
    Termination,
)
from mailproxy.session.terms import Terms
from mailproxy.session.waiting import Waiting
from mailproxy.tls.facts import TlsFacts
from mailproxy.tls.presented import Presented
from mailproxy.transport.deadlines import TICK_SECONDS, Deadlines
from mailproxy.transport.listener import Listener
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.poller import READ, Poller, Ready
from mailproxy.transport.stream import Stream

_NOT_BEGUN = Outside()
_OVER = Outside()


class Front(Protocol):
    """The frontend that accepted a session: the part that outlives the session and its terms."""

    poller: Poller
    deadlines: Deadlines
    numbers: Numbers
    """The frontend's numbers, by the indexes in `mailproxy.session.numbers`."""
    process: str
    """Distinguishes the ids of this process's sessions from those of other processes."""

    @property
    def handshakes(self) -> Room | None:
        """The limit on TLS handshakes at once, None if there is none."""

    tarpits: Places
    """The places for clients that wait before they are refused."""
    clock: IReactorTime

    def ruled(self, session: Session, decision: Decision) -> None:
        """Count the rules that matched a client, and ban it if they say so."""

    def gate(self, session: Session) -> Rejection | None:
        """Ask the gates about a client that a PROXY header could name: after the header, or the lack of one."""

    def logins_refused(self, session: Session, count: int) -> None:
        """Count logins that the server has refused, for the client's source."""

    def dropped_ssl(self, backend: Backend) -> None:
        """Log, once, that the header does not pass on the received TLS facts."""

    def begun(self, session: Session, /) -> None:
        """Count a session that has reached a server."""

    def leave(self, session: Session) -> None:
        """Forget a session that is over."""


class Session:
    """
    A client's connection from accept to close, with everything for its log line.

    It keeps the `terms` that its frontend had at accept, and the `backend` that it had at dial. Its frontend's
    `sessions` has it until it is over.
    """

    __slots__ = (
        "_front",
        "_guard",
        "_listener",
        "auth_failures",
        "backend",
        "client",
        "counted_at",
        "counted_in",
        "counted_out",
        "deadline",
        "destination",
        "ended",
        "facts",
        "first_to_end",
        "greeted",
        "header",
        "held_server",
        "is_local",
        "left_out",
        "number",
        "peer",
        "poller",
        "queued",
        "retries",
        "ruling",
        "secured",
        "server",
        "source",
        "stage",
        "started",
        "stream",
        "termination",
        "terms",
        "timer_bucket",
    )

    def __init__(
        self, front: Front, terms: Terms, sock: socket.SocketType, peer: Any, number: int, listener: Listener
    ) -> None:
        self._front = front
        self.poller = front.poller
        self.terms = terms
        """The terms of its frontend at accept."""
        self.backend: Backend | None = None
        """Its backend, from the dial on."""
        self.number = number
        self.peer = peer
        """The client's address as ``accept`` returned it."""
        self._listener = listener
        self.source: Address | PackedAddress | None = None
        self.destination: Address | PackedAddress | None = None
        self.counted_at: tuple[int, ...] = ()
        """The places where its source is counted, if it is."""
        self.header: Header | None = None
        """The PROXY header that the connection began with."""
        self.is_local = False
        """True if a proxy in front of mailproxy has connected for itself, not for a client (spec section 2.2)."""
        self.facts: TlsFacts | None = None
        self.client: Stream = PlainStream(sock, front.poller, self)
        self.stream: Stream | None = None
        """The connection to the server."""
        self.server: BackendServer | None = None
        self.held_server: BackendServer | None = None
        """The server on which this session has a place, from the greeting to the end of the connection there."""
        self.ruling: Decision | Pending | None = None
        """What the rules say of the client; None if there are none, or they were not tried yet."""
        self.retries = 0
        self.queued = 0.0
        """The seconds that it waited in a queue for a server."""
        self.left_out: tuple[LeftOut, ...] = ()
        self.counted_in = 0
        self.counted_out = 0
        """The bytes from client and server that are counted already."""
        self.auth_failures = 0
        """The logins that the server has refused."""
        self.termination: Termination | None = None
        """Its termination, once that is decided."""
        self.first_to_end = ""
        self.started = front.poller.now
        self.secured = 0.0
        self.greeted = 0.0
        self.ended = 0.0
        self.deadline = 0.0
        self.timer_bucket = 0
        self.stage: Stage = _NOT_BEGUN
        """The current stage; only `_enter` and `close` change it."""
        self._guard: Guard | None = None

    @property
    def id(self) -> str:
        """The session's name in the log and, with the option, in the header (UNIQUE_ID); unique on this machine."""
        return f"{self._front.process}-{self.number:x}"

    @property
    def numbers(self) -> Numbers:
        """The numbers of its frontend, by the indexes in `mailproxy.session.numbers`."""
        return self._front.numbers

    @property
    def is_offloaded(self) -> bool:
        """True if the client's TLS ended before mailproxy, by the configuration and not against the header."""
        terms = self.terms
        if not terms.offloaders or self.is_local:
            return False
        ssl = None if self.header is None else self.header.ssl
        return (ssl is None or bool(ssl.client & SslClient.SSL)) and terms.is_offloader(self.peer_host)

    @property
    def is_over(self) -> bool:
        """True if everything is closed."""
        return self.stage is _OVER

    @property
    def is_quiet(self) -> bool:
        """True if a shutdown now interrupts nothing visible."""
        return self.stage.is_quiet

    @property
    def peer_host(self) -> IPv4Address | IPv6Address | None:
        """The address that the connection comes from, None for a UNIX socket."""
        return None if self._listener.is_unix else ip_address(self.peer[0])

    # The stages, from the first to the last.

    def _enter(self, stage: Stage) -> None:
        """Enter a stage."""
        self.stage.leave()
        self.stage = stage
        self.poller.ready[self.client.fd] = stage.ready if self._guard is None else self._guard.on_event

    def begin(self) -> None:
        """Begin with the stage for a client with this address."""
        terms, client = self.terms, self.client
        client.events = READ
        self.poller.add(client.fd, _do_nothing, READ)
        accept = terms.accept
        if accept is None:
            self._begin()
            return
        expectation = accept.expectation(self.peer_host)
        if expectation is Expectation.DIRECT:
            self._guard = Guard(self)
            self._begin()
        elif expectation is Expectation.REFUSED:
            self.part(CLIENT_REFUSED, not_accepted(self), kind=NOT_ALLOWED)
        else:
            arrival = Arrival(self, accept, may_lack_header=expectation is Expectation.MAYBE)
            self._enter(arrival)
            arrival.begin()

    def announced(self, header: Header | None) -> None:
        """Continue with a header, or without one if that is allowed."""
        # Only the first header is trusted: further bytes are the client's own, and may claim anything.
        if header is None or self.terms.begins_without_tls:
            self._guard = Guard(self)
        self.header = header
        if header is not None:
            self.is_local = header.command is Command.LOCAL
            self._front.numbers[HEADERS] += 1
            if (addresses := header.stream_addresses) is not None:
                self.source, self.destination = addresses
        if (rejection := self._front.gate(self)) is None:
            self._begin()
        else:
            self.lose(REJECTED, rejection.reason)

    def _begin(self) -> None:
        """Begin with the client itself."""
        terms = self.terms
        if self.source is None and not self._listener.is_unix:
            self.source, self.destination = packed_pair(self.client.socket, self.peer, self._listener.local)
        rules = terms.rules
        if rules is None or try_rules(self, rules, UNKNOWN if terms.tls is not None else None):
            self._open()

    def _open(self) -> None:
        """Begin with the first stage of the frontend's protocol."""
        terms = self.terms
        if terms.dialogue is not None:
            conversation = Conversation(self, open_dialogue(terms.protocol, terms.dialogue))
            self._enter(conversation)
            conversation.begin()
        elif terms.tls is not None:
            self.begin_handshake()
        else:
            self._want_server()

    @property
    def handshakes(self) -> Room | None:
        """The limit on TLS handshakes at once, None if there is none."""
        return self._front.handshakes

    def begin_handshake(self) -> None:
        """Shake hands."""
        handshake = Handshake(self)
        self._enter(handshake)
        handshake.begin()

    def handshake_done(self, facts: TlsFacts) -> None:
        """Find a server for a client that speaks TLS."""
        self.facts = facts
        self.secured = self.poller.now
        rules = self.terms.rules
        if rules is None or try_rules_again(self, rules, facts):
            self._want_server()

    def taken_over(self, step: Step) -> None:
        """Find a server that continues with a client without TLS."""
        rules = self.terms.rules
        if rules is None or try_rules_again(self, rules, None):
            self._want_server(step)

    # For the rules.

    def ruled(self, decision: Decision) -> None:
        """Count the rules that matched the client, and ban it if they say so."""
        self._front.ruled(self, decision)

    def tarpit(self, seconds: float, refuse: Callable[[], None]) -> bool:
        """Let the client wait before it is refused; return False if the tarpit is full."""
        places = self._front.tarpits
        if places.is_full:
            return False
        tarpit = Tarpit(self, places, seconds, refuse)
        self._enter(tarpit)
        tarpit.begin()
        return True

    # The server.

    def _want_server(self, handed_over: Step | None = None) -> None:
        waiting = Waiting(self, handed_over)
        self._enter(waiting)
        # After a TLS handshake the processor's caches hold OpenSSL's code: in a row, dials cost less.
        self.poller.at_end(waiting.begin)

    def dropped_ssl(self, backend: Backend) -> None:
        """Log, once, that the header does not pass on the received TLS facts."""
        self._front.dropped_ssl(backend)

    def dialled(self, stream: Stream, greeting: int, pending: bytes) -> None:
        """Join client and server: `greeting` bytes are in the shared buffer, and `pending` is for the server."""
        self.stream = stream
        stream.owner = self
        relay = Relay(self, stream)
        if isinstance(self.ruling, Decision) and self.ruling.bandwidth:
            relay.limit(self.ruling.bandwidth, self._front.clock)
        self._enter(relay)
        self.held_server = self.server
        self._front.numbers[SESSIONS] += 1
        self._front.begun(self)
        relay.begin(greeting, pending)

    def logins_refused(self, count: int) -> None:
        """Count logins that the server has refused; end if there are too many."""
        self.auth_failures += count
        self._front.logins_refused(self, count)
        limit = self.terms.max_refused_logins
        if limit is not None and self.auth_failures >= limit and isinstance(self.stage, Relay):
            self.stage.refuse_more_logins(self.auth_failures)

    def no_server(self, ending: Ending, reason: str, words: bytes) -> None:
        """Refuse the client, in a server's words or else in mailproxy's."""
        self._decide(ending, reason)  # before the client can close, which would be another ending
        terms = self.terms
        words = words or terms.refusal
        if self.facts is not None and terms.dialogue is not None and terms.refuses_when_asked:
            refusal = Refusal(self, words)
            self._enter(refusal)
            refusal.begin()
        else:
            self.refuse(words)

    def refuse(self, words: bytes) -> None:
        """Send the last words, and part."""
        self.client.put_own(words)
        self._part()

    # The guard.

    def unguarded(self) -> Ready:
        """Leave the client's socket to the stage; return the stage's `ready`."""
        self._guard = None
        ready = self.poller.ready[self.client.fd] = self.stage.ready
        return ready

    # Time and connections.

    def wait(self, seconds: float) -> None:
        """Call `expired` after `seconds`; this replaces an earlier `wait`."""
        deadline = self.deadline = self.poller.now + seconds
        # As `set` does, without a call: each stage waits, and its end is seldom before the next look at it.
        if not 0 < self.timer_bucket * TICK_SECONDS <= deadline + TICK_SECONDS:
            self._front.deadlines.set(self, seconds)

    def expired(self) -> None:
        """Report to the stage that its deadline has passed."""
        self.stage.expired()

    def stream_ended(self, stream: Stream) -> None:
        """Report to the stage that one side has ended its stream."""
        if self.termination is None:
            self.stage.ended(stream)

    def stream_failed(self, stream: Stream, reason: str) -> None:
        """Report to the stage that a connection is broken; if the session is ending already, close it."""
        if self.termination is None:
            self.stage.failed(stream, reason)
        else:
            self.close()

    def relay_over(self) -> None:
        """Close: all bytes are delivered, and both sides have ended."""
        if self.termination is None:
            self.termination = FINISHED  # the usual end: no counter, and no object for each session as in `_decide`
        self.close()

    def broke(self) -> None:
        """End at once, because of a bug of ours while handling an event."""
        self.lose(BUG, "internal error")

    # The end.

    def _decide(
        self,
        ending: Ending,
        reason: str,
        presented: Presented | None = None,
        kind: str = "",
        sni: str | None = None,
    ) -> None:
        """Record the ending and count it; only the first one counts."""
        if self.termination is None:
            if ending.counter:
                self._front.numbers[COUNTERS[ending.counter]] += 1
            self.termination = Termination(ending, ending.stage or self.stage.letter, reason, presented, kind, sni)

    def lose(self, ending: Ending, reason: str) -> None:
        """End at once, without further words to the client."""
        self._decide(ending, reason)
        self.close()

    def part(
        self,
        ending: Ending,
        reason: str,
        presented: Presented | None = None,
        *,
        kind: str = "",
        sni: str | None = None,
    ) -> None:
        """
        End politely: the client gets all pending bytes, close_notify and FIN.

        `presented` is the client's certificate if it was refused for that. `kind` and `sni` are of a failed handshake:
        the kind of failure, and the server name that the client asked for.
        """
        if not self.is_over:
            self._decide(ending, reason, presented, kind, sni)
            self._part()

    def _part(self) -> None:
        if self.is_over:
            return
        self._guard = None
        parting = Parting(self)
        self._enter(parting)
        parting.begin()

    def shut_down(self, ending: Ending = SHUT_DOWN, reason: str = "shut down") -> None:
        """
        End politely, because this process ends, or because the session's server may not be used any more.

        The client gets a goodbye in its protocol's words if that is possible: the protocol lets servers speak unasked,
        and no other data is in transit.
        """
        if self.termination is not None:
            return
        stage = self.stage
        if farewell := stage.farewell:
            self.client.put_own(farewell)
        self.part(ending, reason)
        if stage.letter != "D":
            # The session was idle, so there is nothing to wait for: thousands of clients would delay the exit.
            drop_unread(self.client)
            self.close()

    def abort(self, ending: Ending = SHUT_DOWN, reason: str = "shut down") -> None:
        """End at once, because this process ends: with close_notify and FIN, but without waiting for the client's."""
        self.shut_down(ending, reason)
        self.close()

    def close(self) -> None:
        """Close everything, and be logged."""
        stage = self.stage
        if stage is _OVER:
            return
        self.stage = _OVER  # the stage would keep this alive
        self.ended = self.poller.look_at_clock()
        self._front.deadlines.clear(self)
        stage.leave()
        self.client.close()
        self._guard = None
        self._front.leave(self)


def _do_nothing(events: int) -> None:
    """Do nothing."""
