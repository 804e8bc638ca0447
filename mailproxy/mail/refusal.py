"""The last words to a client for whom there is no backend."""

from collections.abc import Mapping

_SMTP = b"421 4.3.2 Service not available, closing transmission channel\r\n"

REFUSALS: Mapping[str, bytes] = {
    # BYE is one of the greetings (RFC 9051 section 7.1.5); UNAVAILABLE says that it will pass (RFC 5530 section 3).
    "imap": b"* BYE [UNAVAILABLE] Service temporarily unavailable, try again later\r\n",
    # SYS/TEMP tells the client that its password is not at fault (RFC 3206 section 4).
    "pop3": b"-ERR [SYS/TEMP] Service temporarily unavailable, try again later\r\n",
    # 421 is the reply that announces the close (RFC 5321 sections 3.8 and 4.2.3), X.3.2 a system that takes no mail
    # (RFC 3463 section 3.4); LMTP has SMTP's replies (RFC 2033 section 4).
    "smtp": _SMTP,
    "submission": _SMTP,
    "lmtp": _SMTP,
    # TRYLATER (RFC 5804 section 1.3) in a response-bye (section 4).
    "managesieve": b'BYE (TRYLATER) "Service temporarily unavailable, try again later"\r\n',
    # Nobody knows what would be understood here.
    "tcp": b"",
}
"""The temporary failure in each protocol's own words, with its CRLF; to be sent in place of the greeting."""


def refusal(protocol: str) -> bytes:
    """Return the line that refuses a client for now; empty for ``tcp``; KeyError for a protocol that does not exist."""
    return REFUSALS[protocol]


SPEAKS_ANY_TIME = frozenset({"imap", "smtp", "submission", "lmtp", "managesieve"})
"""
The protocols whose server may announce its end unasked.

IMAP's BYE is an untagged response (RFC 9051 section 7.1.5), ManageSieve's may be sent at any time (RFC 5804 section
1.2), 421 before a server closes (RFC 5321 section 3.8). POP3's server only ever answers (RFC 1939 section 3).
"""


def goodbye(protocol: str) -> bytes:
    """Return the line that ends a session between two commands; empty where there is none."""
    return REFUSALS[protocol] if protocol in SPEAKS_ANY_TIME else b""
