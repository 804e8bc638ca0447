"""ManageSieve (RFC 5804)."""

import re
from collections.abc import Iterable

from mailproxy.audit.credentials import PLAIN
from mailproxy.audit.dialect import Dialect, Literal, Login, Membership, Offer, SplitCommand
from mailproxy.audit.reply import Command

_LAST = re.compile(rb"(OK|NO|BYE)\b", re.IGNORECASE)
_LAST_OR_CHALLENGE = re.compile(rb'(OK|NO|BYE)\b|"|\{', re.IGNORECASE)


def _login(text: bytes) -> Command:
    return Command(b"AUTHENTICATE " + text, _LAST_OR_CHALLENGE)


def _offer(lines: Iterable[bytes]) -> Offer:
    found = {line.upper() for line in lines if line.startswith(b'"')}
    logins: set[str] = set()
    for line in found:
        if sasl := re.match(rb'"SASL" "([^"]*)"', line):
            logins.update(sasl[1].decode("ascii", "replace").split())
    return Offer(any(line.startswith(b'"STARTTLS"') for line in found), frozenset(logins), frozenset(found))


_AUTHENTICATE = _login(b'"PLAIN" "%s"' % PLAIN)
_NOOP = Command(b"NOOP", _LAST)
_TAGGED_NOOP = b'NOOP "smuggled"\r\n'

MANAGESIEVE = Dialect(
    greeting=_LAST,
    capabilities=Command(b"CAPABILITY", _LAST),
    starttls=Command(b"STARTTLS", _LAST),
    injected=_NOOP,
    farewell=Command(b"LOGOUT", _LAST),
    half=SplitCommand(b"CAPA", Command(b"BILITY", _LAST)),
    logins=(
        Login("authenticate-plain", _login(b'"PLAIN"')),
        Login("authenticate-plain-initial", _AUTHENTICATE),
        Login("authenticate-plain-literal", _login(b'"PLAIN" {%d+}\r\n%s' % (len(PLAIN), PLAIN))),
        Login("authenticate-login", _login(b'"LOGIN"')),
    ),
    membership=Membership((_AUTHENTICATE,), Command(b"LISTSCRIPTS", _LAST), re.compile(rb"OK\b", re.IGNORECASE)),
    offer=_offer,
    yes=re.compile(rb"OK\b", re.IGNORECASE),
    prompt=re.compile(rb'"|\{'),
    status=_LAST,
    looked_at=re.compile(rb"(?!)"),  # no response code says so
    lists_after_tls=True,
    literal=Literal(
        b'AUTHENTICATE "PLAIN" {%d+}\r\n%s\r\n' % (len(_TAGGED_NOOP), _TAGGED_NOOP),
        re.compile(rb'OK \(TAG "smuggled"\)', re.IGNORECASE),
    ),
)
