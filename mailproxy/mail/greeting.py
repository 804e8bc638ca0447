"""Whose turn it is when a connection opens, and what a backend's greeting is taken for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from attrs import frozen

from mailproxy.mail.backend import imap, managesieve, pop3, smtp
from mailproxy.mail.backend.talk import BackendRefused, Listener, Talk
from mailproxy.mail.refusal import Refusal, read_refusal

GREETING_PROTOCOLS = frozenset({"imap", "pop3", "smtp", "submission", "lmtp", "managesieve"})
"""
The protocols whose server speaks first.

IMAP RFC 9051 section 7.1, POP3 RFC 1939 section 4, SMTP and submission RFC 5321 section 3.1, LMTP RFC 2033 section 4,
ManageSieve RFC 5804 section 1.7. Nothing is known of ``tcp``: there either side may begin.
"""


def server_speaks_first(protocol: str) -> bool:
    """Tell whether the server greets in this protocol (a frontend's ``protocol`` word)."""
    return protocol in GREETING_PROTOCOLS


_SMTP_GREETING = re.compile(rb"220(?:[ -][^\n]*|\r)?\n")

_FIRST_LINES: Mapping[str, re.Pattern[bytes]] = {
    "imap": re.compile(rb"\* (?:OK|PREAUTH)(?:[ \r][^\n]*)?\n", re.IGNORECASE),
    "pop3": re.compile(rb"\+OK[^\n]*\n"),
    "smtp": _SMTP_GREETING,
    "submission": _SMTP_GREETING,
    "lmtp": _SMTP_GREETING,
    "managesieve": re.compile(rb"(?:[\"{][^\n]*|OK(?:[ \r][^\n]*)?)\n", re.IGNORECASE),
}


def first_line(protocol: str) -> re.Pattern[bytes]:
    """
    Return what the first line of a greeting matches, with its line end.

    One line is enough to know that a server takes a client: postscreen says ``220-`` and waits for seconds before it
    goes on. KeyError for a protocol whose server does not greet.
    """
    return _FIRST_LINES[protocol]


_GREET: Mapping[str, Callable[[], Talk[bytes]]] = {
    "imap": imap.greet,
    "pop3": pop3.greet,
    "smtp": smtp.greet,
    "submission": smtp.greet,
    "lmtp": smtp.greet,
    "managesieve": managesieve.greet,
}

SPEAKS_UNASKED = frozenset({"imap"})
"""The protocols whose server may go on after its greeting: untagged responses come at any time (RFC 9051 section 7)."""


@frozen
class Prelude:
    """To be sent to the backend, before anything of the client's; its reply is for the reader."""

    data: bytes


@frozen
class Greeting:
    """What came of a server's greeting; while it is not accepted, the client has not noticed the server."""

    is_accepted: bool
    relay: bytes = b""
    """If accepted: what goes to the client before everything else that the server says."""
    reason: str = ""
    """If not: why, for the log."""
    refusal: Refusal | None = None
    """If not: what the server says to the client; None if it says nothing that the protocol has for that."""
    said: bytes = b""
    """If not: what the server has said so far."""


class GreetingReader:
    """
    Reads what a server says before it takes a client (mutable; one per connection).

    Where nothing was said to the client yet, the greeting `relays`: it goes to the client as it is, once its first line
    is whole. A client that comes from a `Dialogue` has been greeted already, so the server's greeting is swallowed.
    Only ManageSieve's is relayed after TLS, without STARTTLS in it, since the client waits for a listing then (RFC 5804
    section 2.2). If the client introduced itself before a server was there, its EHLO is said to the server as
    `prelude`, and that reply is swallowed, too.
    """

    def __init__(self, protocol: str, *, after_tls: bool, prelude: bytes = b"", relays: bool = False) -> None:
        """Listen to a new connection; KeyError for a protocol whose server does not greet."""
        self._protocol = protocol
        self._after_tls = after_tls
        self._first_line = first_line(protocol) if relays else None
        self._listener = Listener(_meet(protocol, prelude), unasked=protocol in SPEAKS_UNASKED)
        self._said = b""

    def receive(self, data: bytes) -> Prelude | Greeting | None:
        """
        Take the server's bytes, in any pieces; None until there is something to do; ValueError after a `Greeting`.

        Where nothing is relayed, a server that speaks before it was asked is not accepted, but for IMAP's: what it says
        would be taken for the reply to the client's first command, and so on. What follows IMAP's greeting is relayed.
        """
        listener = self._listener
        if listener.is_over:
            raise ValueError("the greeting is over, what follows it is not the reader's")
        self._said += data
        if self._first_line is not None and b"\n" in data and self._first_line.match(self._said):
            listener.is_over = True
            return Greeting(is_accepted=True, relay=self._said)
        try:
            to_send = listener.receive(data)
        except BackendRefused as refused:
            return self.end(str(refused))
        if listener.is_over:
            relay = (listener.result or b"") if self._after_tls else b""
            return Greeting(is_accepted=True, relay=relay + listener.rest)
        if not to_send:
            return None
        self._said = b""
        return Prelude(to_send)

    def end(self, reason: str) -> Greeting:
        """Return what is known when no more comes, for this reason."""
        self._listener.is_over = True
        return Greeting(
            is_accepted=False, reason=reason, refusal=read_refusal(self._protocol, self._said), said=self._said
        )


def _meet(protocol: str, prelude: bytes) -> Talk[bytes]:
    relay = yield from _GREET[protocol]()
    if prelude:
        yield from smtp.introduce(prelude)
    return relay
