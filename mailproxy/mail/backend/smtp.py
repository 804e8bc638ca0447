"""An SMTP, submission or LMTP backend (RFC 5321, RFC 2033)."""

import re

from mailproxy.mail.backend.talk import BackendRefused, Talk, shown

# RFC 5321 section 4.2: a code, a hyphen on all lines but the last, text.
_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r?\n")


def _reply(command: bytes) -> Talk[tuple[int, tuple[bytes, ...], bytes]]:
    """Say this, and hear the reply: its code, its lines' texts, its last line."""
    texts = []
    line = yield command
    while True:
        part = _REPLY_LINE.fullmatch(line)
        if part is None:
            raise BackendRefused(f"said {shown(line)}, which is no reply")
        texts.append(part[3] or b"")
        if part[2] != b"-":
            return int(part[1]), tuple(texts), line
        line = yield b""


def greet() -> Talk[bytes]:
    """Hear the greeting, all lines of it; there is nothing of it to relay."""
    code, _, line = yield from _reply(b"")
    if code != 220:
        raise BackendRefused(f"greeted with {shown(line)}")
    return b""


def introduce(prelude: bytes) -> Talk[None]:
    """Say a client's EHLO, HELO or LHLO, whose reply it has had already."""
    code, _, line = yield from _reply(prelude)
    if code != 250:
        raise BackendRefused(f"answered {shown(prelude[:4])} with {shown(line)}")


def learn(host: bytes, verb: bytes = b"EHLO") -> Talk[tuple[bytes, ...]]:
    """Hear the greeting, and ask for the extensions (section 4.1.1.1); a server that knows no EHLO has none."""
    yield from greet()
    code, texts, line = yield from _reply(b"%s %s\r\n" % (verb, host))
    if code == 250:
        return texts[1:]
    if 500 <= code <= 502:
        return ()
    raise BackendRefused(f"answered {verb.decode()} with {shown(line)}")


def part() -> Talk[None]:
    """Quit."""
    yield from _reply(b"QUIT\r\n")
