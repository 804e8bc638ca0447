"""A POP3 backend (RFC 1939, RFC 2449)."""

from mailproxy.mail.backend.talk import BackendRefused, Talk, shown


def greet() -> Talk[bytes]:
    """Hear the greeting (RFC 1939 section 4); there is nothing of it to relay."""
    line = yield b""
    if not line.startswith(b"+OK"):
        raise BackendRefused(f"greeted with {shown(line)}")
    return b""


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    """Hear the greeting, and ask for the capabilities (RFC 2449 section 5); a server without CAPA has none."""
    yield from greet()
    line = yield b"CAPA\r\n"
    if not line.startswith(b"+OK"):
        return ()
    capabilities = []
    while (line := (yield b"").rstrip(b"\r\n")) != b".":
        capabilities.append(line)
    return tuple(capabilities)


def part() -> Talk[None]:
    """Quit."""
    yield b"QUIT\r\n"
