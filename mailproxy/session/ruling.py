"""What the rules of a frontend do to a session: it goes on, waits in the tarpit, or is refused; and its backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from mailproxy.backend.backend import Backend
from mailproxy.config.refuse import Refuse
from mailproxy.mail.refusal import refusal_with
from mailproxy.rules.decision import Decision, Pending
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


def try_rules(session: Ruled, tls: TlsFacts | Unknown | None) -> bool:
    """
    Try the rules with what is known. A refusal begins now, or after the handshake if its words need TLS.

    Return False if the client is refused, or waits for that.
    """
    rules, before = session.terms.rules, session.ruling
    if rules is None or session.is_local:
        return True
    if isinstance(before, Decision):
        ruling = before
    else:
        ruled = session.ruling = rules.decide(ClientSubject(session, tls), before)
        if isinstance(ruled, Pending):
            return True
        ruling = ruled
        if ruling.matched:
            session.ruled(ruling)
    if ruling.refusal is None:
        return True
    refuse = partial(_refuse, session, ruling.rule, ruling.refusal, tls)
    waits = ruling.tarpit and ruling is not before and session.tarpit(ruling.tarpit, refuse)
    if not waits:
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
