"""POP3 before TLS (RFC 1939, RFC 2449, RFC 2595)."""

import re

from mailproxy.mail.capabilities import Offer
from mailproxy.mail.script import HAND_OVER, Answer, Reaction, Script

OFFER = Offer(
    # RFC 2449 section 3: a line has up to 512 octets with its CRLF, and a list ends with a dot.
    syntax=re.compile(rb"(?=.{1,510}\Z)(?P<name>[!-\-/-~][!-~]*)(?: [ -~]*)?"),
    builtin=(b"TOP", b"UIDL"),
    mandatory=(),
    # XOIP and XCLIENT are for proxies that tell addresses.
    private=frozenset({b"STLS", b"XOIP", b"XCLIENT"}),
    # Ways to log in; and commands before the login that nothing in plaintext may decide (RFC 6856).
    refused=frozenset({b"USER", b"SASL", b"LANG", b"UTF8"}),
    starttls=(b"STLS",),
    refusal=(),
)

_LOGINS = frozenset({b"USER", b"PASS", b"APOP", b"AUTH"})
_FOR_BACKENDS = _LOGINS | {b"LANG", b"UTF8"}
_BARE = frozenset({b"CAPA", b"QUIT", b"STLS"})

_STLS = Answer(b"+OK Begin TLS negotiation now\r\n", Reaction.START_TLS)
_QUIT = Answer(b"+OK Bye\r\n", Reaction.SAY_GOODBYE)
# No [AUTH] (RFC 3206 section 5): the password is not at fault, and none must be asked for again.
_PRIVACY_REQUIRED = Answer(b"-ERR Start TLS before you log in\r\n", Reaction.FAIL)
_NO_ARGUMENTS = Answer(b"-ERR That takes no arguments\r\n", Reaction.FAIL)
# NOOP too: it is of the transaction state (RFC 1939 section 5).
_UNKNOWN = Answer(b"-ERR Unknown, or not to be used before you log in\r\n", Reaction.FAIL)


class Pop3Script(Script):
    """CAPA, QUIT and STLS; a login waits for TLS, or for a backend."""

    def __init__(self, host: bytes, capabilities: tuple[bytes, ...] | None, *, optional: bool) -> None:
        # Nothing in angle brackets: that would offer APOP (RFC 1939 section 7), whose challenge is the backend's.
        self.greeting = b"+OK %s ready\r\n" % host
        lines = b"".join(b"%s\r\n" % capability for capability in OFFER.announced(capabilities, optional=optional))
        self._listing = Answer(b"+OK Capability list follows\r\n%s.\r\n" % lines)
        self._optional = optional

    def answer(self, line: bytes) -> Answer:
        """Answer a command of the authorization state (RFC 1939 section 4)."""
        verb, separator, _ = line.partition(b" ")
        verb = verb.upper()
        if verb in _FOR_BACKENDS:
            if self._optional:
                return HAND_OVER
            return _PRIVACY_REQUIRED if verb in _LOGINS else _UNKNOWN
        if verb not in _BARE:
            return _UNKNOWN
        if separator:
            return _NO_ARGUMENTS
        return self._listing if verb == b"CAPA" else _STLS if verb == b"STLS" else _QUIT

    def closing(self, text: str) -> bytes:
        """Say -ERR; POP3 has no word for leaving."""
        return b"-ERR %s\r\n" % text.encode("ascii")

    def late(self) -> bytes:
        """Say nothing: RFC 1939 section 3 wants an autologout without a response."""
        return b""
