"""A ManageSieve backend (RFC 5804)."""

import re

from mailproxy.mail.backend.account import Account, Login
from mailproxy.mail.backend.talk import AccountRefused, Misunderstood, Talk, Unexpected, exchange, exchange_last
from mailproxy.mail.managesieve import OFFER
from mailproxy.mail.passwords import lists_passwords

_LITERAL = re.compile(rb"\{([0-9]{1,5})\+?\}\r?\n\Z")

# A capability's name (section 1.7), as quoted string or literal (section 4).
_NAME = re.compile(rb'"([^"\r\n]*)"|\{[0-9]+\+?\}\r?\n([ -~]*)')

# Section 4: the status, and a response code.
_STATUS = re.compile(rb"(OK|NO|BYE)(?![^ \r\n])(?: \(([^ ()\r\n]+))?", re.IGNORECASE)


_TROUBLE = b"TRYLATER"
"""The code for a fault of the server (section 1.3)."""


def _ask(data: bytes, step: str) -> Talk[bytes]:
    """Send this, and read one response: a line, and the lines of its literals."""
    return (yield from _with_literals((yield from exchange(data, step, "OK")), step))


def _with_literals(line: bytes, step: str) -> Talk[bytes]:
    while literal := _LITERAL.search(line):
        size = int(literal[1])
        more = b""
        while len(more) <= size:
            more += yield from exchange(b"", step, "OK")
        line += more
    return line


def _listing() -> Talk[tuple[tuple[bytes, ...], bytes]]:
    """Read a capability listing: the capabilities, and the OK after them."""
    capabilities = []
    while (response := (yield from _ask(b"", "greeting"))).startswith((b'"', b"{")):
        capabilities.append(response)
    if _status(response)[0] != b"OK":
        raise Unexpected("greeting", "OK", response)
    return tuple(capabilities), response


def _status(response: bytes) -> tuple[bytes, bytes]:
    """Return a response's status and response code, in upper case; missing ones are empty."""
    match = _STATUS.match(response)
    return (match[1].upper(), (match[2] or b"").upper()) if match else (b"", b"")


def _name(capability: bytes) -> bytes:
    name = _NAME.match(capability)
    return (name[1] or name[2] or b"").strip().upper() if name else b""


def greet() -> Talk[bytes]:
    """
    Read the greeting, and return it for the client: the listing that a client gets after STARTTLS.

    Section 2.2. Without STARTTLS, which must not be listed then, and without XCLIENT, which is not for clients.
    """
    capabilities, done = yield from _listing()
    return b"".join(line for line in capabilities if _name(line) not in OFFER.private) + done


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Read the greeting, which is the listing (section 1.7)."""
    capabilities, _ = yield from _listing()
    return tuple(line.rstrip(b"\r\n") for line in capabilities)


def _meet() -> Talk[None]:
    """Read the greeting, and check that it allows passwords: without TLS in the header it may not."""
    capabilities, _ = yield from _listing()
    mechanisms = [line for line in capabilities if _name(line) == b"SASL"]
    if not any(b"PLAIN" in re.findall(rb"[A-Z0-9_-]+", line.upper()) for line in mechanisms):
        listed = mechanisms[0] if mechanisms else b"a listing without SASL"
        raise AccountRefused("greeting", "PLAIN in its SASL mechanisms", listed)


def login(login: Login) -> Talk[None]:
    """Read the greeting and log in."""
    yield from _meet()
    yield from _login(login.account)


def _login(account: Account) -> Talk[None]:
    """Log in with AUTHENTICATE "PLAIN" (section 2.1)."""
    response = yield from _ask(b'AUTHENTICATE "PLAIN" "%s"\r\n' % account.plain, "AUTHENTICATE")
    status, code = _status(response)
    if status != b"OK":
        is_about_account = status == b"NO" and code != _TROUBLE
        raise (AccountRefused if is_about_account else Unexpected)("AUTHENTICATE", "OK", response)


def takes_passwords(capabilities: tuple[bytes, ...]) -> bool:
    """Return whether SASL has a mechanism that sends passwords (section 1.7)."""
    return lists_passwords(b'"SASL"', capabilities)


def no_login(capabilities: tuple[bytes, ...]) -> str:
    """Return the sign if SASL lists no mechanism (section 1.7)."""
    upper = (capability.upper() for capability in capabilities)
    return "" if any(re.match(rb'"SASL" "[^"]', line) for line in upper) else "no SASL mechanism"


def part() -> Talk[None]:
    """Log out (section 2.3); refuse an error, and a goodbye with a code for a fault of the server."""
    line = yield from exchange_last(b"LOGOUT\r\n", "LOGOUT", "OK")
    status, code = _status((yield from _with_literals(line, "LOGOUT")))
    if status == b"BYE" and code == _TROUBLE:
        raise Unexpected("LOGOUT", "OK", line)
    if status == b"NO":
        raise Misunderstood("LOGOUT", "OK", line)
