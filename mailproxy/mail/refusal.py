"""What a client is told for whom there is no server: the server's own refusal, or ours."""

import re
from collections.abc import Mapping

from attrs import frozen

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


REFUSES_WHEN_ASKED = frozenset({"pop3", "smtp", "submission", "lmtp"})
"""
The protocols in which a refusal after STARTTLS answers the client's next command.

The client has its greeting and speaks next (RFC 2595 section 4, RFC 3207 section 4.2). In IMAP and ManageSieve BYE
comes unasked, and a ManageSieve client waits for the server then (RFC 5804 section 2.2).
"""


@frozen
class Refusal:
    """What a server says in place of its greeting, or of taking a client's introduction."""

    words: bytes
    """Its own lines, whole, with CRLF, at most `WORDS_BYTES`."""

    is_temporary: bool
    """True if it says that another server may do better."""


WORDS_BYTES = 4096
"""A refusal that goes to the client has no more: eight reply lines of SMTP (RFC 5321 section 4.5.3.1.5)."""

# RFC 5321 section 4.2.1: all lines of a reply have the code, and all but the last a hyphen. The last may be missing.
_SMTP_REFUSAL = re.compile(rb"^([45])([0-9]{2})(?:-[^\n]*\n\1\2)*(?:[ -][^\n]*)?(?:\r?\n|\r?\Z)", re.MULTILINE)

# Group 1 tells that the refusal is temporary. Dovecot, whose authentication does not start, says so without a code.
_REFUSALS: Mapping[str, re.Pattern[bytes]] = {
    # RFC 9051 section 7.1.5; the codes are RFC 5530's.
    "imap": re.compile(rb"^\* BYE\b( \[UNAVAILABLE\]| Auth process broken)?[^\n]*", re.MULTILINE | re.IGNORECASE),
    # RFC 1939 section 3; the codes are RFC 3206's.
    "pop3": re.compile(rb"^-ERR\b( \[SYS/TEMP\]| Auth process broken)?[^\n]*", re.MULTILINE | re.IGNORECASE),
    "smtp": _SMTP_REFUSAL,
    "submission": _SMTP_REFUSAL,
    "lmtp": _SMTP_REFUSAL,
    # RFC 5804 sections 1.2 and 1.3; the text may be a literal, on lines of its own.
    "managesieve": re.compile(rb"^(?:BYE|NO)\b( \(TRYLATER\))?.*", re.MULTILINE | re.IGNORECASE | re.DOTALL),
}


def read_refusal(protocol: str, said: bytes) -> Refusal | None:
    """
    Return the refusal in what a server has said so far; None if there is none.

    The last line may be incomplete: the server said no more of it.
    """
    pattern = _REFUSALS.get(protocol)
    match = None if pattern is None else pattern.search(said)
    if match is None:
        return None
    is_temporary = match[1] == b"4" if pattern is _SMTP_REFUSAL else match[1] is not None
    lines = match[0].rstrip(b"\r\n").split(b"\n")
    words = _bounded([line.rstrip(b"\r") for line in lines])
    if pattern is _SMTP_REFUSAL:
        # What was left out must not be waited for.
        words[-1] = words[-1][:3] + b" " + words[-1][4:]
    return Refusal(b"".join(b"%s\r\n" % line for line in words), is_temporary)


def _bounded(lines: list[bytes]) -> list[bytes]:
    """Return the lines that fit, at least a piece of the first."""
    left = WORDS_BYTES
    kept = []
    for line in lines:
        left -= len(line) + 2
        if left < 0:
            break
        kept.append(line)
    return kept or [lines[0][: WORDS_BYTES - 2]]
