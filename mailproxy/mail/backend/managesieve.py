"""A ManageSieve backend (RFC 5804)."""

import re

from mailproxy.mail.backend.talk import BackendRefused, Talk, shown
from mailproxy.mail.managesieve import OFFER

_LITERAL = re.compile(rb"\{([0-9]{1,5})\+?\}\r?\n\Z")

# A capability's name (section 1.7), as quoted string or literal (section 4).
_NAME = re.compile(rb'"([^"\r\n]*)"|\{[0-9]+\+?\}\r?\n([ -~]*)')

_OK = re.compile(rb"OK(?:[ \r\n].*)?", re.IGNORECASE | re.DOTALL)


def _response() -> Talk[bytes]:
    """Hear one response: a line, and those that its literals add to it."""
    return (yield from _with_literals((yield b"")))


def _with_literals(line: bytes) -> Talk[bytes]:
    while literal := _LITERAL.search(line):
        size = int(literal[1])
        more = b""
        while len(more) <= size:
            more += yield b""
        line += more
    return line


def _listing() -> Talk[tuple[tuple[bytes, ...], bytes]]:
    """Hear a capability listing: the capabilities, and the OK after them."""
    capabilities = []
    while (response := (yield from _response())).startswith((b'"', b"{")):
        capabilities.append(response)
    if not _OK.fullmatch(response):
        raise BackendRefused(f"greeted with {shown(response)}")
    return tuple(capabilities), response


def _name(capability: bytes) -> bytes:
    name = _NAME.match(capability)
    return (name[1] or name[2] or b"").strip().upper() if name else b""


def greet() -> Talk[bytes]:
    """
    Hear the greeting, and return it to be relayed: the listing that a client is owed after STARTTLS.

    Section 2.2. Without STARTTLS, which must not be listed then, and without XCLIENT, which is not for clients.
    """
    capabilities, done = yield from _listing()
    return b"".join(line for line in capabilities if _name(line) not in OFFER.private) + done


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Hear the greeting: it is the listing (section 1.7)."""
    capabilities, _ = yield from _listing()
    return tuple(line.rstrip(b"\r\n") for line in capabilities)


def part() -> Talk[None]:
    """Log out (section 2.3)."""
    yield from _with_literals((yield b"LOGOUT\r\n"))
