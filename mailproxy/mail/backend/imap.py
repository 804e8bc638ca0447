"""An IMAP backend (RFC 9051)."""

import re

from mailproxy.mail.backend.account import Account, Login, quoted
from mailproxy.mail.backend.talk import AccountRefused, Misunderstood, Talk, Unexpected, exchange, exchange_last

# RFC 9051 section 7.1; a response code or text follows, or, from some servers, nothing.
_GREETING = re.compile(rb"\* (OK|PREAUTH|BYE)(?:[ \r\n].*)?", re.IGNORECASE | re.DOTALL)

# Dovecot sends this if its auth process is slow, and greets later (2.3: after 30 s, or a command; 2.4: a command).
_WAITING = b"* ok waiting for authentication process"

_CAPABILITY = b"* CAPABILITY "

# Section 7.1: the tag, the status, a response code.
_STATUS = re.compile(rb"[^ ]+ (OK|NO|BAD|BYE)(?![^ \r\n])(?: \[([^ \]\r\n]+))?", re.IGNORECASE)

_TROUBLE = frozenset({b"UNAVAILABLE", b"SERVERBUG", b"CORRUPTION", b"INUSE"})
"""
Codes for faults of the server (section 7.1).

Other refusals of a login are about the account, and so are those without a code: servers without codes answer a wrong
password in this way.
"""

_NO_MAILBOX = frozenset({b"NONEXISTENT", b"TRYCREATE", b"NOPERM", b"CANNOT"})
"""Codes for a mailbox that does not exist, or not for this account."""


def greet() -> Talk[bytes]:
    """
    Read the greeting; nothing of it is relayed. PREAUTH is refused: the login would not be the client's (section
    7.1.4).
    """
    yield from _greeting()
    return b""


def _greeting() -> Talk[bytes]:
    line = yield from exchange(b"", "greeting", "* OK")
    while line.lower().startswith(_WAITING):
        line = yield from exchange(b"", "greeting", "* OK after Waiting for authentication process")
    greeting = _GREETING.fullmatch(line)
    if greeting is None or greeting[1].upper() != b"OK":
        raise Unexpected("greeting", "* OK", line)
    return line


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Read the greeting, and ask for the capabilities (section 6.1.1): a greeting need not have them."""
    yield from greet()
    capabilities: tuple[bytes, ...] | None = None
    line = yield b"a1 CAPABILITY\r\n"
    while not line.startswith(b"a1 "):
        if _status(line)[0] == b"BAD":
            raise Misunderstood("CAPABILITY", "a list and OK", line)
        if line.upper().startswith(_CAPABILITY):
            capabilities = tuple(line[len(_CAPABILITY) :].split())
        line = yield b""
    if not line.upper().startswith(b"A1 OK") or capabilities is None:
        raise Unexpected("CAPABILITY", "a list and OK", line)
    return capabilities


def _meet() -> Talk[None]:
    """Read the greeting, and check that it allows a login with a password (section 6.2.3)."""
    line = yield from _greeting()
    if b"LOGINDISABLED" in line.upper():
        raise AccountRefused("greeting", "* OK without LOGINDISABLED", line)


def login(login: Login) -> Talk[None]:
    """Read the greeting, log in, and open the mailbox if one is given."""
    yield from _meet()
    yield from _login(login.account)
    if login.mailbox is not None:
        yield from _open_mailbox(login.mailbox)


def _login(account: Account) -> Talk[None]:
    """Log in with LOGIN (section 6.2.3); AUTHENTICATE PLAIN carries other text than ASCII (section 6.2.2)."""
    step = "LOGIN" if account.is_ascii else "AUTHENTICATE"
    if account.is_ascii:
        line = yield from _reply(b"a1 LOGIN %s %s\r\n" % account.imap_strings, step, b"a1 ")
    else:
        line = yield from _reply(b"a1 AUTHENTICATE PLAIN\r\n", step, b"a1 ", b"+")
        if line.startswith(b"+"):
            line = yield from _reply(account.plain + b"\r\n", step, b"a1 ")
    status, code = _status(line)
    if status != b"OK":
        raise (AccountRefused if status == b"NO" and code not in _TROUBLE else Unexpected)(step, "OK", line)


def _open_mailbox(mailbox: bytes) -> Talk[None]:
    """Open a mailbox (section 6.3.2)."""
    line = yield from _reply(b"m1 SELECT %s\r\n" % quoted(mailbox), "SELECT", b"m1 ")
    status, code = _status(line)
    if status != b"OK":
        raise (AccountRefused if code in _NO_MAILBOX else Unexpected)("SELECT", "OK", line)


def part() -> Talk[None]:
    """Log out (section 6.1.3); refuse a goodbye with a code for a fault of the server, or after an error."""
    command = b"a2 LOGOUT\r\n"
    line = b"*"
    while line and not line.startswith(b"a2 "):
        line = yield from exchange_last(command, "LOGOUT", "OK")
        status, code = _status(line)
        if status == b"BAD":
            raise Misunderstood("LOGOUT", "OK", line)
        if code in _TROUBLE:
            raise Unexpected("LOGOUT", "OK", line)
        command = b""


def takes_passwords(capabilities: tuple[bytes, ...]) -> bool:
    """Return whether passwords are accepted: LOGIN need not be listed (section 6.2.3)."""
    return b"LOGINDISABLED" not in {capability.upper() for capability in capabilities}


def no_login(capabilities: tuple[bytes, ...]) -> str:
    """Return LOGINDISABLED if it is listed without a mechanism (sections 6.2.2 and 6.2.3)."""
    upper = {capability.upper() for capability in capabilities}
    has_mechanism = any(capability.startswith(b"AUTH=") for capability in upper)
    return "LOGINDISABLED" if b"LOGINDISABLED" in upper and not has_mechanism else ""


def _reply(data: bytes, step: str, *ends: bytes) -> Talk[bytes]:
    """Send this, and read up to a line that begins with one of `ends`; a server may send BYE in between."""
    line = yield from exchange(data, step, "OK")
    while not line.startswith(ends):
        status, _ = _status(line)
        if status == b"BAD":
            raise Misunderstood(step, "OK", line)
        if line.startswith(b"*") and status == b"BYE":
            raise Unexpected(step, "OK", line)
        line = yield from exchange(b"", step, "OK")
    return line


def _status(line: bytes) -> tuple[bytes, bytes]:
    """Return a line's status and response code, in upper case; missing ones are empty."""
    match = _STATUS.match(line)
    return (match[1].upper(), (match[2] or b"").upper()) if match else (b"", b"")
