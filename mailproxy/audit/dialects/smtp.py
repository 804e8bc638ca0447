"""SMTP and submission (RFC 5321, RFC 6409) and LMTP (RFC 2033); STARTTLS (RFC 3207) and AUTH (RFC 4954)."""

import re
from collections.abc import Iterable

from mailproxy.audit.credentials import PLAIN
from mailproxy.audit.dialect import Dialect, Login, Membership, Offer, SplitCommand, Transaction
from mailproxy.audit.reply import Command

_LAST = re.compile(rb"\d{3}( |$)")


def _command(line: bytes) -> Command:
    return Command(line, _LAST)


def _offer(lines: Iterable[bytes]) -> Offer:
    # "AUTH=" is how servers offered it before the standard, and some still do.
    found = {line[4:].upper() for line in lines if line.startswith((b"250-", b"250 "))}
    logins = {
        word.decode("ascii", "replace")
        for line in found
        if line.startswith((b"AUTH ", b"AUTH="))
        for word in line[5:].split()
    }
    return Offer(b"STARTTLS" in found, frozenset(logins), frozenset(found))


def _dialect(hello: bytes) -> Dialect:
    auth_plain = _command(b"AUTH PLAIN " + PLAIN)
    return Dialect(
        greeting=_LAST,
        capabilities=_command(hello + b" starttls-check.invalid"),
        starttls=_command(b"STARTTLS"),
        injected=_command(b"NOOP"),
        farewell=_command(b"QUIT"),
        half=SplitCommand(hello[:2], _command(hello[2:] + b" starttls-check.invalid")),
        logins=(
            Login("auth-plain", _command(b"AUTH PLAIN")),
            Login("auth-plain-initial", auth_plain),
            Login("auth-login", _command(b"AUTH LOGIN")),
        ),
        # A second AUTH after a successful one is a 503 (RFC 4954, section 4).
        membership=Membership((auth_plain,), _command(b"AUTH PLAIN"), re.compile(rb"503")),
        offer=_offer,
        yes=re.compile(rb"2"),
        prompt=re.compile(rb"3"),
        status=_LAST,
        # Credentials invalid, account disabled, password needs a transition, temporary failure: RFC 4954, section 6.
        looked_at=re.compile(rb"535|525|432|454"),
        introduces_itself=True,
        refuses_arguments=re.compile(rb"501"),
        transaction=Transaction(
            _command(b"MAIL FROM:<starttls-check@starttls-check.invalid>"),
            _command(b"RCPT TO:<starttls-check@starttls-check.invalid>"),
        ),
    )


SMTP = _dialect(b"EHLO")
LMTP = _dialect(b"LHLO")
