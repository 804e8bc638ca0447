"""Limits on the dialogue before TLS."""

from attrs import frozen

COMMANDS = 50
"""
A client needs at most five (EHLO, capabilities, ID, capabilities again, STARTTLS); the rest is for people at a
terminal.
"""

ERRORS = 10
"""Refused logins count, too. Dovecot gives 3, nginx 5, Postfix 20 (smtpd_hard_error_limit)."""

LOGIN_LINE = 12288
"""RFC 4954 section 4: the length of a line of AUTH, for tickets and tokens; used if a client may log in without TLS."""


@frozen
class Limits:
    """The limits of one dialogue; its time is limited by the caller, which has the clock."""

    line: int
    """Octets of a line, CRLF included."""
    commands: int = COMMANDS
    errors: int = ERRORS


def limits_of(line: int, *, optional: bool) -> Limits:
    """Return the limits of a protocol whose lines have up to `line` octets, with TLS required or optional."""
    return Limits(line=max(line, LOGIN_LINE) if optional else line)
