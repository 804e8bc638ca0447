"""The checks ``mail`` and ``login``: a short dialogue in the server's protocol."""

from __future__ import annotations

from collections.abc import Callable

from mailproxy.checks.connection import ConnectionEnd
from mailproxy.checks.outcome import Outcome
from mailproxy.mail.advice import ConnectionFacts, header_ignored
from mailproxy.mail.backend.account import Login, secretly
from mailproxy.mail.backend.talk import (
    AccountRefused,
    BackendRefused,
    Misunderstood,
    Parted,
    Silence,
    Talk,
    TalkReader,
)
from mailproxy.mail.protocols import PROTOCOLS


def mail_talk(protocol: str) -> Talk[None]:
    """
    Read the greeting to its end and say goodbye; raises `BackendRefused` in the talk if the server does not work.

    The lines before the answer to the goodbye show whether the server has understood the PROXY header: `Misunderstood`
    if not. No talk is quieter: Dovecot logs one line for a connection that logs out, and no fewer for one that says
    nothing. KeyError for a protocol whose server does not greet.
    """
    definition = PROTOCOLS[protocol]
    yield from definition.greet()
    yield from definition.part()


def login_talk(protocol: str, login: Login) -> Talk[None]:
    """
    Log in and say goodbye; raises `AccountRefused` in the talk if the account does not work.

    No failure shows the password. KeyError for a protocol whose server does not greet.
    """
    definition = PROTOCOLS[protocol]
    yield from secretly(definition.login(login), login.account)
    yield from definition.part()


class MailProbe:
    """Leads one talk (mutable; one per connection)."""

    __slots__ = ("_facts", "_first_bytes", "_has_parted", "_reader", "_refused", "_remedy", "_shown")

    def __init__(self, talk: Talk[None], shown: str, remedy: str = "", facts: ConnectionFacts | None = None) -> None:
        """
        Lead `talk`; `shown` is the outcome's reason if it succeeds.

        `remedy` says how to make the server take PROXY headers; empty if it is sent none. `facts` says why it may be
        silent.
        """
        self._reader = TalkReader(talk, unasked=True)
        self._shown = shown
        self._remedy = remedy
        self._facts = facts
        self._first_bytes = b""
        self._refused: BackendRefused | None = None
        self._has_parted = False

    @property
    def done(self) -> bool:
        """True when the talk is over."""
        return self._reader.is_over

    def receive(self, data: bytes) -> bytes:
        """Continue the talk."""
        self._first_bytes = self._first_bytes or data[:16]
        try:
            return self._reader.receive(data)
        except BackendRefused as refused:
            self._refused = refused
            self._reader.is_over = True
            return b""

    def end(self) -> None:
        """The server has closed the connection."""
        self._has_parted = True

    def outcome(self, end: ConnectionEnd) -> Outcome:
        """Judge the server by the talk."""
        try:
            if self._refused is not None:
                raise self._refused
            how = end.failure or "the end of the connection"
            self._reader.end(Parted(how) if self._has_parted else Silence(how))
        except AccountRefused as refused:
            return Outcome(True, str(refused), end.seconds, is_misconfigured=True)
        except Misunderstood as error:
            if self._remedy:
                return Outcome(False, header_ignored(error.received, self._remedy), end.seconds, ignores_header=True)
            return Outcome(False, str(error), end.seconds)
        except BackendRefused as refused:
            cause = (
                "" if self._facts is None else self._facts.likely_cause(self._first_bytes, is_closed=self._has_parted)
            )
            return Outcome(False, f"{refused}; {cause}" if cause else str(refused), end.seconds)
        return Outcome(True, self._shown, end.seconds)


def mail_probes(protocol: str, remedy: str = "", facts: ConnectionFacts | None = None) -> Callable[[], MailProbe]:
    """
    Return what makes the probes of ``mail``; ValueError for a protocol whose server does not greet.

    `remedy` and `facts` are those of `MailProbe`.
    """
    _require(protocol, "mail")
    return lambda: MailProbe(mail_talk(protocol), "greeted", remedy, facts)


def login_probes(
    protocol: str, login: Login, remedy: str = "", facts: ConnectionFacts | None = None
) -> Callable[[], MailProbe]:
    """Return what makes the probes of ``login``, as `mail_probes` does; ValueError also for an impossible mailbox."""
    _require(protocol, "login")
    return lambda: MailProbe(login_talk(protocol, login), PROTOCOLS[protocol].login_shows, remedy, facts)


def _require(protocol: str, kind: str) -> None:
    if protocol not in PROTOCOLS:
        raise ValueError(f'a check of type "{kind}" does not speak {protocol}')
