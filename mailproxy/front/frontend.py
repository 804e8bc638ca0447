"""A frontend: its listeners and its sessions."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.config.rule import shown_rule
from mailproxy.counting.block import Block
from mailproxy.counting.layout import Totals
from mailproxy.front.capacity import Capacity
from mailproxy.front.door import Door
from mailproxy.front.limits import SourceGate
from mailproxy.front.loop import Loop
from mailproxy.front.pace import Pace
from mailproxy.rules.decision import Decision
from mailproxy.rules.surroundings import Bans
from mailproxy.session.client_subject import ClientSubject
from mailproxy.session.counters import Counters
from mailproxy.session.gate import Gate, Rejection
from mailproxy.session.numbers import CONNECTIONS, COUNTERS, FRONTEND, REFUSED_LOGINS
from mailproxy.session.session import Session
from mailproxy.session.terms import Terms
from mailproxy.transport.bound import Bound
from mailproxy.transport.listener import Listener


class Frontend:
    """
    A running frontend of one reading of the configuration.

    Its numbers and limits belong to the process: a later reading uses them again.
    """

    _bugs = Logger()
    _events = Logger(namespace="mailproxy")

    def __init__(
        self,
        settings: config.Frontend,
        terms: Terms,
        *,
        loop: Loop,
        block: Block,
        capacities: Iterable[Capacity],
        pace: Pace | None = None,
        handshakes: Capacity | None = None,
        gates: Iterable[Gate] = (),
        source_gate: SourceGate | None = None,
        rule_blocks: Iterable[Block] = (),
        bans: Bans | None = None,
    ) -> None:
        """The `source_gate` counts sources, and is asked after the other gates."""
        self.name = settings.name
        self.settings = settings
        self.terms = terms
        """The terms for new sessions."""
        self.poller = loop.poller
        self.deadlines = loop.deadlines
        self.process = loop.process
        self._block = block
        self.numbers = block.numbers
        """The numbers that this process counts, by the indexes in `mailproxy.session.numbers`."""
        self.sessions: dict[Session, None] = {}
        """In the order in which they began, which is that of their numbers; a set has no order."""
        self.clock = loop.reactor
        self._identify = loop.identify
        self._log = loop.log
        self.begun = loop.log.begin
        """Called with a session that has reached a server."""
        self._capacities = tuple(capacities)
        """The limits on sessions at once."""
        self._pace = pace
        self.handshakes = handshakes
        self._pausing: Sequence[Capacity | Pace] = [
            *self._capacities,
            *(limit for limit in (pace, handshakes) if limit is not None),
        ]
        """The limits that pause the listeners."""
        self.source_gate = source_gate
        gates = tuple(gates) if source_gate is None else (*gates, source_gate)
        self._door = Door(settings.name, gates, block.numbers, loop.sampler) if gates else None
        self.tarpits = loop.tarpits
        self._rules = tuple(rule_blocks)
        self._bans = bans
        self._listeners: list[Listener] = []
        self._has_dropped_ssl = False
        self._emptied: Callable[[], None] | None = None

    def start(self, sockets: Iterable[Bound]) -> None:
        """Begin to accept from sockets."""
        for bound in sockets:
            listener = Listener(bound, self.accepted)
            self._listeners.append(listener)
            for limit in self._pausing:
                limit.apply_to(listener)
            listener.start(self.poller, self.clock)

    def take_waiting(self, kept: Collection[Bound] = ()) -> None:
        """Accept the clients in the queues of all sockets but those `kept`, as far as the limits allow."""
        for listener in self._listeners:
            if listener.bound not in kept:
                listener.take_waiting()

    def wait_again(self) -> None:
        """Accept clients that another process was woken for and does not accept."""
        for listener in self._listeners:
            listener.wait_again()

    def stop(self) -> None:
        """Stop accepting; the sockets stay open, and the sessions continue."""
        while self._listeners:
            listener = self._listeners.pop()
            listener.stop()
            for limit in self._pausing:
                limit.release(listener)

    def retire(self, emptied: Callable[[], None]) -> None:
        """Stop accepting, and call `emptied` after the last session, perhaps at once."""
        self.stop()
        if self.sessions:
            self._emptied = emptied
        else:
            emptied()

    @property
    def counters(self) -> Counters:
        """The frontend's counters since the start."""
        return Counters(**{name: self._block.sum(index) for name, index in COUNTERS.items()})

    @property
    def totals(self) -> Totals:
        """All numbers of the frontend since the start, of all processes whose numbers this one has."""
        return FRONTEND.totals(self._block.sums())

    @property
    def learns(self) -> bool:
        """True when mailproxy announces the backend's capabilities before STARTTLS, not the configuration's."""
        return self.settings.learns

    def learn(self, capabilities: tuple[bytes, ...]) -> None:
        """Announce these capabilities to later clients."""
        self.terms = self.terms.with_capabilities(capabilities)

    def accepted(self, sock: socket.SocketType, peer: Any, listener: Listener) -> None:
        """Begin a session for a client, unless a gate rejects it."""
        if self._door is not None and not listener.is_unix and self._door.reject(peer, self.terms.accept):
            sock.close()
            return
        session = Session(self, self.terms, sock, peer, self._identify(), listener)
        self.numbers[CONNECTIONS] += 1
        self.sessions[session] = None
        for capacity in self._capacities:
            # As its `join`, whose call would cost more.
            capacity.live = live = capacity.live + 1
            if live >= capacity.noticed:
                capacity.joined()
        if self._pace is not None:
            self._pace.join()
        if (gate := self.source_gate) is not None:
            session.counted_at, gate.let_in = gate.let_in, ()
        try:
            session.begin()
        except Exception:
            # Our bug: this session ends, the listener continues.
            self._bugs.failure("bug at the start of session {id}", id=session.id)
            session.broke()

    def gate(self, session: Session) -> Rejection | None:
        """Ask the gates about a client that a PROXY header could name."""
        rejection = None if self._door is None else self._door.judge(session)
        if self.source_gate is not None:
            session.counted_at = self.source_gate.take()
        return rejection

    def logins_refused(self, session: Session, count: int) -> None:
        """Count logins that the server has refused, for the client's source as well."""
        self.numbers[REFUSED_LOGINS] += count
        if self.source_gate is not None:
            for _ in range(count):
                self.source_gate.count(session.counted_at, "auth-failures")

    def ruled(self, session: Session, decision: Decision) -> None:
        """Count the rules that matched a client, and ban it if they say so."""
        for number in decision.matched:
            self._rules[number].numbers[0] += 1
        if decision.ban and self._bans is not None:
            subject = ClientSubject(session, session.facts)
            source, rules = subject.source, self.terms.rules
            if source is not None:
                bits = None if rules is None else rules.ban_bits(subject, decision.matched[-1])
                self._bans.ban(source, decision.ban, f"{shown_rule(decision.rule)} of frontend {self.name}", bits)

    @property
    def rule_hits(self) -> Mapping[str, int]:
        """How many clients each rule has matched since the start, in all processes whose numbers this one has."""
        return {rule.name: block.sums()[0] for rule, block in zip(self.settings.rules, self._rules, strict=False)}

    def dropped_ssl(self, backend: Backend) -> None:
        """Log, once, that the header does not pass on the received TLS facts."""
        if not self._has_dropped_ssl:
            self._has_dropped_ssl = True
            self._events.warn(
                "frontend {frontend}: received headers say that clients are on TLS (TLV SSL), and backend "
                '{backend} does not get that TLV: its proxy-v2-pass-tlvs has no "ssl"',
                event="dropped-ssl",
                frontend=self.name,
                backend=backend.name,
            )

    def leave(self, session: Session) -> None:
        """Forget a session that is over."""
        self.sessions.pop(session, None)
        for capacity in self._capacities:
            # As its `leave`, whose call would cost more.
            live = capacity.live
            capacity.live = live - 1
            if live >= capacity.noticed:
                capacity.left()
        places = session.counted_at
        if places and self.source_gate is not None:
            termination = session.termination
            if termination is not None and termination.ending.counter == "handshake_errors":
                self.source_gate.count(places, "handshake-failures")
            self.source_gate.leave(places)
            session.counted_at = ()
        self._log.add(session)
        if self._emptied is not None and not self.sessions:
            emptied, self._emptied = self._emptied, None
            emptied()
