"""The door of a frontend: its gates, asked in order before a client has a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from twisted.logger import Logger

from mailproxy.counting.page import Numbers
from mailproxy.proxyprotocol import AcceptPolicy, Expectation
from mailproxy.session.addresses import announced_source, packed_source
from mailproxy.session.gate import Gate, Rejection
from mailproxy.session.line import Fields, as_line
from mailproxy.session.numbers import GATES, REJECTED
from mailproxy.session.record import client_words
from mailproxy.session.sampling import Sampler
from mailproxy.session.session import Session


class Door:
    """Asks gates about clients, and logs those that it closes before they have a session."""

    _log = Logger(namespace="mailproxy.session")

    def __init__(self, frontend: str, gates: Iterable[Gate], numbers: Numbers, sampler: Sampler) -> None:
        """`numbers` are the numbers of the frontend that this process counts."""
        self._frontend = frontend
        self._numbers = numbers
        self._gates = tuple(gates)
        self._sampler = sampler

    def reject(self, peer: Any, accept: AcceptPolicy | None) -> bool:
        """Reject a client that was just accepted, if a gate does, and return whether; not before a PROXY header."""
        source = None
        # As `_ask`, whose call each client would pay for.
        for gate in self._gates:
            if gate.is_idle:
                continue
            if source is None:
                if accept is not None and accept.expectation(ip_address(peer[0])) is not Expectation.DIRECT:
                    return False
                source = packed_source(peer[0])
            rejection = gate.judge(source)
            if rejection is not None:
                self._rejected(peer, rejection)
                return True
        return False

    def judge(self, session: Session) -> Rejection | None:
        """Ask about a client after its PROXY header, or the lack of one; a proxy's own connection has no gate."""
        gates = [gate for gate in self._gates if not gate.is_idle]
        if not gates:
            return None
        header = session.header
        if header is not None:
            source = announced_source(session.source)
        elif session.peer_host is None:
            return None
        else:
            source = packed_source(session.peer[0])
        return None if source is None else self._ask(gates, source)

    def _ask(self, gates: Sequence[Gate], source: bytes) -> Rejection | None:
        for gate in gates:
            rejection = gate.judge(source)
            if rejection is not None:
                self._numbers[GATES[rejection.word]] += 1
                return rejection
        return None

    def _rejected(self, peer: Any, rejection: Rejection) -> None:
        self._numbers[GATES[rejection.word]] += 1
        self._numbers[REJECTED] += 1
        if self._sampler.sample(self._frontend, peer[0], rejection.word):
            self._log_rejection(peer, rejection)

    def _log_rejection(self, peer: Any, rejection: Rejection) -> None:
        fields: Fields = {
            "frontend": self._frontend,
            "client": client_words(peer),
            "gate": rejection.word,
            "reason": rejection.reason,
        }
        self._log.info("rejected {line}", event="rejected", line=as_line(fields), **fields)
