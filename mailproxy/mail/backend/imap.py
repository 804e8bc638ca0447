"""An IMAP backend (RFC 9051)."""

import re

from mailproxy.mail.backend.talk import BackendRefused, Talk, shown

# RFC 9051 section 7.1; a response code or text follows, or, from some servers, nothing.
_GREETING = re.compile(rb"\* (OK|PREAUTH|BYE)(?:[ \r\n].*)?", re.IGNORECASE | re.DOTALL)

# Dovecot says so when its auth process is slow, and greets later (2.3: after 30 s, or a command; 2.4: a command).
_WAITING = b"* ok waiting for authentication process"

_CAPABILITY = b"* CAPABILITY "


def greet() -> Talk[bytes]:
    """Hear the greeting; there is nothing of it to relay. PREAUTH is none: who would be logged in (section 7.1.4)?"""
    line = yield b""
    while line.lower().startswith(_WAITING):
        line = yield b""
    greeting = _GREETING.fullmatch(line)
    if greeting is None or greeting[1].upper() != b"OK":
        raise BackendRefused(f"greeted with {shown(line)}")
    return b""


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Hear the greeting, and ask for the capabilities (section 6.1.1): a greeting need not have them."""
    yield from greet()
    capabilities: tuple[bytes, ...] | None = None
    line = yield b"a1 CAPABILITY\r\n"
    while not line.startswith(b"a1 "):
        if line.upper().startswith(_CAPABILITY):
            capabilities = tuple(line[len(_CAPABILITY) :].split())
        line = yield b""
    if not line.upper().startswith(b"A1 OK") or capabilities is None:
        raise BackendRefused(f"answered CAPABILITY with {shown(line)}")
    return capabilities


def part() -> Talk[None]:
    """Log out (section 6.1.3)."""
    line = yield b"a2 LOGOUT\r\n"
    while not line.startswith(b"a2 "):
        line = yield b""
