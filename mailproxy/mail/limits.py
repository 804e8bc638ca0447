"""How much a client may say before TLS."""

from collections.abc import Mapping

from attrs import frozen

COMMANDS = 50
"""A client needs five at most (greet, list, identify, list again, STARTTLS); the rest is for people at a terminal."""

ERRORS = 10
"""Refused logins count, too. Dovecot gives 3, nginx 5, Postfix 20 (smtpd_hard_error_limit)."""

_SMTP_LINE = 2048
"""RFC 5321 section 4.5.3.1.4 has 512, which extensions lengthen; Postfix's line_length_limit is 2048."""

LINES: Mapping[str, int] = {
    # RFC 7162 section 4: a server should bear 8192 octets.
    "imap": 8192,
    # RFC 2449 section 4: a command has up to 255 octets; 512 is what it allows for a line of the server.
    "pop3": 512,
    "smtp": _SMTP_LINE,
    "submission": _SMTP_LINE,
    "lmtp": _SMTP_LINE,
    # RFC 5804 section 4: a quoted string has up to 1024 octets; NOOP's tag with every one of them escaped fits.
    "managesieve": 2048 + 64,
}
"""Octets of a line by protocol, CRLF included, as long as nothing but TLS gets through."""

LOGIN_LINE = 12288
"""RFC 4954 section 4: what a line of AUTH may have, for tickets and tokens; where a client may log in in clear."""


@frozen
class Limits:
    """The bounds of one dialogue; how long it may take is for whoever has the clock."""

    line: int
    """Octets of a line, CRLF included."""
    commands: int = COMMANDS
    errors: int = ERRORS


def limits_of(protocol: str, *, optional: bool) -> Limits:
    """Return the limits of a protocol where TLS is required or optional; KeyError for one that has no STARTTLS."""
    line = LINES[protocol]
    return Limits(line=max(line, LOGIN_LINE) if optional else line)
