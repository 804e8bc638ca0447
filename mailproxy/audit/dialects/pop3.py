"""POP3 (RFC 1939), its capabilities (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034)."""

import re
from collections.abc import Iterable

from mailproxy.audit.credentials import PASSWORD, PLAIN, USER
from mailproxy.audit.dialect import Dialect, Login, Membership, Offer, SplitCommand
from mailproxy.audit.reply import Command

_ONE_LINE = re.compile(rb"")
_LISTING = re.compile(rb"\.$|-ERR", re.IGNORECASE)


def _offer(lines: Iterable[bytes]) -> Offer:
    found = {line.upper() for line in lines if not re.match(rb"\+OK|-ERR|\.$", line, re.IGNORECASE)}
    words = [line.split() for line in found]
    logins = {
        word.decode("ascii", "replace") for name, *rest in filter(None, words) if name == b"SASL" for word in rest
    }
    if b"USER" in found:
        logins.add("USER")
    return Offer(b"STLS" in found, frozenset(logins), frozenset(found))


_USER = Command(b"USER " + USER, _ONE_LINE)
_PASS = Command(b"PASS " + PASSWORD, _ONE_LINE)
_CAPABILITIES = Command(b"CAPA", _LISTING)

POP3 = Dialect(
    greeting=_ONE_LINE,
    capabilities=_CAPABILITIES,
    starttls=Command(b"STLS", _ONE_LINE),
    injected=_CAPABILITIES,  # NOOP needs a login
    farewell=Command(b"QUIT", _ONE_LINE),
    half=SplitCommand(b"CA", Command(b"PA", _ONE_LINE)),
    logins=(
        Login("user", _USER),
        Login("pass", _PASS),
        Login("auth-plain", Command(b"AUTH PLAIN", _ONE_LINE)),
        Login("auth-plain-initial", Command(b"AUTH PLAIN " + PLAIN, _ONE_LINE)),
        Login("auth-login", Command(b"AUTH LOGIN", _ONE_LINE)),
    ),
    membership=Membership((_USER, _PASS), Command(b"STAT", _ONE_LINE), re.compile(rb"\+OK", re.IGNORECASE)),
    offer=_offer,
    # A complete listing ends with a dot.
    yes=re.compile(rb"\+OK|\.$", re.IGNORECASE),
    prompt=re.compile(rb"\+( |$)"),
    status=re.compile(rb"\+OK|-ERR", re.IGNORECASE),
    # Dovecot also sends [AUTH] (RFC 3206) when it requires TLS first: the words have to decide.
    looked_at=re.compile(rb"(?!)"),
    challenge=re.compile(rb"<[^<>@]+@[^<>@]+>"),
)
