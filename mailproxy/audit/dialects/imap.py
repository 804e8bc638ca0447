"""IMAP (RFC 9051, RFC 3501)."""

import re
from collections.abc import Iterable

from mailproxy.audit.credentials import PASSWORD, PLAIN, USER
from mailproxy.audit.dialect import Dialect, Literal, Login, Membership, Offer, SplitCommand
from mailproxy.audit.reply import Command


def _command(tag: bytes, text: bytes) -> Command:
    return Command(tag + b" " + text, re.compile(rb"%s |\+|\* BYE\b" % tag, re.IGNORECASE))


def _offer(lines: Iterable[bytes]) -> Offer:
    found: set[bytes] = set()
    for line in lines:
        if listed := re.search(rb"(?:^\* |\[)CAPABILITY ([^\]]*)", line, re.IGNORECASE):
            found.update(listed[1].upper().split())
    logins = {word.removeprefix(b"AUTH=").decode("ascii", "replace") for word in found if word.startswith(b"AUTH=")}
    if b"LOGINDISABLED" not in found:
        logins.add("LOGIN")
    return Offer(b"STARTTLS" in found, frozenset(logins), frozenset(found))


_LOGIN = _command(b"l", b'LOGIN "%s" "%s"' % (USER, PASSWORD))
_INJECTED = _command(b"i", b"NOOP")

IMAP = Dialect(
    greeting=re.compile(rb"\* (OK|PREAUTH|BYE)\b", re.IGNORECASE),
    capabilities=_command(b"c", b"CAPABILITY"),
    starttls=_command(b"s", b"STARTTLS"),
    injected=_INJECTED,
    farewell=_command(b"q", b"LOGOUT"),
    # "OP" alone is a tag without a command; the answer may have any tag.
    half=SplitCommand(b"h NO", Command(b"OP", re.compile(rb"\S+ (OK|NO|BAD|BYE)\b", re.IGNORECASE))),
    logins=(
        Login("login", _LOGIN),
        Login("authenticate-plain", _command(b"l", b"AUTHENTICATE PLAIN")),
        Login("authenticate-plain-initial", _command(b"l", b"AUTHENTICATE PLAIN " + PLAIN)),
        Login("authenticate-login", _command(b"l", b"AUTHENTICATE LOGIN")),
        Login("login-literal", _command(b"l", b"LOGIN {%d}" % len(USER))),
        Login(
            "login-literal-plus",
            _command(b"l", b"LOGIN {%d+}\r\n%s {%d+}\r\n%s" % (len(USER), USER, len(PASSWORD), PASSWORD)),
        ),
    ),
    membership=Membership((_LOGIN,), _command(b"m", b'LIST "" ""'), re.compile(rb"m OK\b", re.IGNORECASE)),
    offer=_offer,
    yes=re.compile(rb"[^*+\s]\S* OK\b|\* (OK|PREAUTH)\b", re.IGNORECASE),
    prompt=re.compile(rb"\+"),
    status=re.compile(rb"\* (OK|PREAUTH|BAD)\b|[^*+\s]\S* (OK|NO|BAD)\b", re.IGNORECASE),
    looked_at=re.compile(rb".*\[(AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED)\]", re.IGNORECASE),
    preauth=re.compile(rb"\* PREAUTH\b", re.IGNORECASE),
    literal=Literal(
        b"l LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n" % (len(_INJECTED.wire), _INJECTED.wire, len(PASSWORD), PASSWORD),
        re.compile(rb"i OK\b", re.IGNORECASE),
    ),
)
