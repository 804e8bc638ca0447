"""Whose turn it is when a connection opens, and what a backend's greeting is taken for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from attrs import frozen

from mailproxy.mail.backend import imap, managesieve, pop3, smtp
from mailproxy.mail.backend.talk import BackendRefused, Listener, Talk

GREETING_PROTOCOLS = frozenset({"imap", "pop3", "smtp", "submission", "lmtp", "managesieve"})
"""
The protocols whose server speaks first.

IMAP RFC 9051 section 7.1, POP3 RFC 1939 section 4, SMTP and submission RFC 5321 section 3.1, LMTP RFC 2033 section 4,
ManageSieve RFC 5804 section 1.7. Nothing is known of ``tcp``: there either side may begin.
"""


def server_speaks_first(protocol: str) -> bool:
    """Tell whether the server greets in this protocol (a frontend's ``protocol`` word)."""
    return protocol in GREETING_PROTOCOLS


# What a server says instead of greeting, as far as one need read to know: RFC 9051 section 7.1.5, RFC 1939 section 3,
# RFC 5321 section 4.2.1, RFC 5804 section 1.2.
_REFUSES: Mapping[str, re.Pattern[bytes]] = {
    "imap": re.compile(rb"\* BYE\b", re.IGNORECASE),
    "pop3": re.compile(rb"-"),
    "smtp": re.compile(rb"[45]"),
    "submission": re.compile(rb"[45]"),
    "lmtp": re.compile(rb"[45]"),
    "managesieve": re.compile(rb"(?:BYE|NO)\b", re.IGNORECASE),
}


def refuses(protocol: str, first: bytes) -> bool:
    """Tell whether a server's first bytes are a refusal, not a greeting; never true where nothing is known of them."""
    pattern = _REFUSES.get(protocol)
    return pattern is not None and pattern.match(first) is not None


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
    """
    What came of a backend's greeting.

    If it is not accepted, the next backend may be tried: the client has not noticed. With none left it gets
    `mailproxy.mail.refusal.refusal`, our own line: a backend's text may be about us (Dovecot's BYE names its own
    processes), and is not always a line that fits where the client now is.
    """

    is_accepted: bool
    relay: bytes = b""
    """If accepted: what goes to the client before everything else that the backend says."""
    reason: str = ""
    """If not: why, for the log."""


class GreetingReader:
    """
    Reads the greeting of a backend that takes over from a `Dialogue` (mutable; one per connection).

    The client has been greeted already, so the backend's greeting is swallowed. Only ManageSieve's is relayed after
    TLS, without STARTTLS in it, since the client waits for a listing then (RFC 5804 section 2.2). If the client
    introduced itself before a backend was there, its EHLO is said to the backend as `prelude`, and that reply is
    swallowed, too.
    """

    def __init__(self, protocol: str, *, after_tls: bool, prelude: bytes = b"") -> None:
        """Listen to a new connection; KeyError for a protocol whose server does not greet."""
        self._after_tls = after_tls
        self._listener = Listener(_meet(protocol, prelude), unasked=protocol in SPEAKS_UNASKED)

    def receive(self, data: bytes) -> Prelude | Greeting | None:
        """
        Take the backend's bytes, in any pieces; None until there is something to do; ValueError after a `Greeting`.

        A backend that speaks before it was asked is not accepted, but for IMAP's: what it says would be taken for the
        reply to the client's first command, and so on. What follows IMAP's greeting is relayed.
        """
        listener = self._listener
        if listener.is_over:
            raise ValueError("the greeting is over, what follows it is not the reader's")
        try:
            to_send = listener.receive(data)
        except BackendRefused as refused:
            listener.is_over = True
            return Greeting(is_accepted=False, reason=str(refused))
        if listener.is_over:
            relay = (listener.result or b"") if self._after_tls else b""
            return Greeting(is_accepted=True, relay=relay + listener.rest)
        return Prelude(to_send) if to_send else None


def _meet(protocol: str, prelude: bytes) -> Talk[bytes]:
    relay = yield from _GREET[protocol]()
    if prelude:
        yield from smtp.introduce(prelude)
    return relay
