"""How much a client may say before TLS."""

from attrs import frozen

COMMANDS = 50
"""A client needs five at most (greet, list, identify, list again, STARTTLS); the rest is for people at a terminal."""

ERRORS = 10
"""Refused logins count, too. Dovecot gives 3, nginx 5, Postfix 20 (smtpd_hard_error_limit)."""

LOGIN_LINE = 12288
"""RFC 4954 section 4: what a line of AUTH may have, for tickets and tokens; where a client may log in in clear."""


@frozen
class Limits:
    """The bounds of one dialogue; how long it may take is for the caller, who has the clock."""

    line: int
    """Octets of a line, CRLF included."""
    commands: int = COMMANDS
    errors: int = ERRORS


def limits_of(line: int, *, optional: bool) -> Limits:
    """Return the limits of a protocol whose lines have up to `line` octets, where TLS is required or optional."""
    return Limits(line=max(line, LOGIN_LINE) if optional else line)
