"""What the rules of a frontend do to a session: it goes on, waits in the tarpit, or is refused; and its backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from mailproxy.backend.backend import Backend
from mailproxy.config.refuse import Refuse
from mailproxy.mail.refusal import refusal_with
from mailproxy.rules.decision import NOTHING, Decision, Pending
from mailproxy.rules.rules import Rules
from mailproxy.rules.unknown import UNKNOWN, Unknown
from mailproxy.session.client_subject import ClientSubject, Described
from mailproxy.session.stage import Host
from mailproxy.session.termination import RULED_OUT, Ending
from mailproxy.session.terms import Terms
from mailproxy.tls.facts import TlsFacts


class Ruled(Host, Described, Protocol):
    """A session for which rules decide."""

    is_local: bool
    facts: TlsFacts | None
    ruling: Decision | Pending | None

    def ruled(self, decision: Decision) -> None:
        """Count the rules that matched the client, and ban it if they say so."""

    def tarpit(self, seconds: float, refuse: Callable[[], None]) -> bool:
        """Let the client wait before it is refused; return False if the tarpit is full."""

    def begin_handshake(self) -> None:
        """Shake hands."""

    def no_server(self, ending: Ending, reason: str, words: bytes) -> None:
        """Refuse the client in these words."""


def try_rules(session: Ruled, rules: Rules, tls: Unknown | None) -> bool:
    """
    Try the rules of a frontend with what is known of a client that has just arrived.

    A refusal begins now, or after the handshake if its words need TLS. Return False if the client is refused, or waits
    for that.
    """
    source = session.source
    if session.header is None and source is not None:
        # The usual client: its addresses are packed already, and it is described only for rules that they leave.
        step = rules.first_step(source[0], session.destination)  # type: ignore[index, arg-type]  # no header: packed
        if step is None:
            session.ruling = NOTHING
            return True
        return _is_admitted(session, step.decide(ClientSubject(session, tls), NOTHING), tls)
    return session.is_local or _is_admitted(session, rules.decide(ClientSubject(session, tls)), tls)


def try_rules_again(session: Ruled, rules: Rules, tls: TlsFacts | None) -> bool:
    """Try the rules that were undecided, now that the client's TLS is known; return False as `try_rules` does."""
    before = session.ruling
    if isinstance(before, Pending):
        # Certificates are large, and seldom come again.
        kept = None if tls is None or tls.client_certificate is not None else tls
        return _is_admitted(session, rules.decide(ClientSubject(session, tls), before, kept), tls)
    if before is None or before.refusal is None:
        return True
    _refuse(session, before.rule, before.refusal, tls)
    return False


def _is_admitted(session: Ruled, ruling: Decision | Pending, tls: TlsFacts | Unknown | None) -> bool:
    session.ruling = ruling
    if isinstance(ruling, Pending):
        return True
    if ruling.matched:
        session.ruled(ruling)
    if ruling.refusal is None:
        return True
    refuse = partial(_refuse, session, ruling.rule, ruling.refusal, tls)
    if not (ruling.tarpit and session.tarpit(ruling.tarpit, refuse)):
        refuse()
    return False


def _refuse(session: Ruled, rule: str, refuse: Refuse, tls: TlsFacts | Unknown | None) -> None:
    terms = session.terms
    if refuse.kind == "close":
        (session.lose if session.facts is None else session.part)(RULED_OUT, rule)
    elif tls is UNKNOWN and terms.dialogue is None:
        session.begin_handshake()  # the words need TLS
    else:
        words = refusal_with(terms.protocol, refuse.text, is_permanent=refuse.kind == "permanent")
        session.no_server(RULED_OUT, rule, words)


def chosen_backend(terms: Terms, ruling: Decision | Pending | None) -> Backend:
    """Return the backend of the rule that decided, or else the frontend's."""
    if isinstance(ruling, Decision) and ruling.backend is not None:
        return terms.backends[ruling.backend]
    return terms.backend
