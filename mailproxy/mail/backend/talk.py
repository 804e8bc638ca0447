"""
Talking with a backend, line by line.

A talk is a generator: it yields the bytes to send (none, to continue reading) and gets the backend's next line, with
its line end; when no more will come, `Silence` is thrown into it. It returns its result, or raises `BackendRefused`.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator
from typing import Generic, TypeAlias, TypeVar

_Result = TypeVar("_Result")

Talk: TypeAlias = Generator[bytes, bytes, _Result]

# Loaded now: after privileges are dropped, Python's own files may be unreadable.
codecs.lookup("unicode_escape")

SIZE = 65536
"""
The most octets that a backend may send in one talk.

Dovecot's longest listings have two kilobytes; no mail server sends more than this without an end.
"""

_SHOWN = 100


class BackendRefused(Exception):
    """The backend refuses, or does not follow the protocol; the message is for the log."""


class Unexpected(BackendRefused):
    """The backend sent something unexpected, or nothing."""

    def __init__(self, step: str, expected: str, received: bytes, silence: str = "") -> None:
        """Take the step of the talk, what was expected, and the line that came, or how the backend fell silent."""
        super().__init__(step, expected, received, silence)
        self.step = step
        self.expected = expected
        self.received = received
        self.silence = silence

    def __str__(self) -> str:
        """Write it as a clause."""
        received = shown(self.received)
        if self.silence:
            received = f"{self.silence} after {received}" if received else self.silence
        return f"{self.step}: expected {self.expected}, got {received or 'an empty line'}"


class AccountRefused(Unexpected):
    """The backend works, but refuses this account: the account has to be corrected."""


class Misunderstood(Unexpected):
    """The backend sends an error without a command: it has read the PROXY header as commands."""


class Silence(Exception):
    """The backend sends no more; the message says why, for the log: ``nothing within 1 s``."""

    def __init__(self, how: str, rest: bytes = b"") -> None:
        """Take the reason, and the incomplete line so far."""
        super().__init__(how)
        self.how = how
        self.rest = rest


class Parted(Silence):
    """The backend has closed the connection, which is a valid answer to a goodbye."""

    def __init__(self, how: str = "the end of the connection", rest: bytes = b"") -> None:
        """Take the reason, and the incomplete line so far."""
        super().__init__(how, rest)


def shown(line: bytes) -> str:
    """Return the first 100 bytes of a backend's line for the log, with escapes for what is not printable ASCII."""
    return line[:_SHOWN].rstrip(b"\r\n").decode("latin-1").encode("unicode_escape").decode("ascii")


def exchange(data: bytes, step: str, expected: str) -> Talk[bytes]:
    """Send this, and read a line; `step` and `expected` are for the log if none comes."""
    try:
        return (yield data)
    except Silence as silence:
        raise Unexpected(step, expected, silence.rest, silence.how) from silence


def exchange_last(data: bytes, step: str, expected: str) -> Talk[bytes]:
    """Like `exchange`, but a closed connection counts as an empty answer."""
    try:
        return (yield data)
    except Parted:
        return b""
    except Silence as silence:
        raise Unexpected(step, expected, silence.rest, silence.how) from silence


class TalkReader(Generic[_Result]):
    """
    Leads one talk over a connection (mutable; one per talk).

    Only whole lines count; a lone LF ends one, too: the backend is trusted, and no other program reads its lines.
    """

    def __init__(self, talk: Talk[_Result], *, unasked: bool) -> None:
        """Begin to read: the server speaks first. `unasked`: it may also send more before any command."""
        self._talk = talk
        self._unasked = unasked
        self._left = SIZE
        self._buffer = b""
        self.result: _Result | None = None
        """The talk's result."""
        self.is_over = False
        next(talk)

    @property
    def rest(self) -> bytes:
        """The backend's bytes after the talk."""
        return self._buffer

    def receive(self, data: bytes) -> bytes:
        """Take the backend's bytes, in any pieces; return what to send. Raises `BackendRefused`."""
        self._buffer += data
        to_send = b""
        while not self.is_over:
            line = self._next_line()
            if not line:
                break
            wanted = b""
            try:
                wanted = self._talk.send(line)
            except StopIteration as stop:
                self.result = stop.value
                self.is_over = True
            if (wanted or self.is_over) and self._buffer and not self._unasked:
                raise BackendRefused(f"sent {shown(self._buffer)} before any command")
            to_send += wanted
        return to_send

    def end(self, silence: Silence) -> None:
        """The backend sends no more; raises `BackendRefused` if the talk needs more."""
        if self.is_over:
            return
        self.is_over = True
        silence.rest = self._buffer
        try:
            self._talk.throw(silence)
        except StopIteration as stop:
            self.result = stop.value
        except Silence:
            raise BackendRefused(str(silence)) from None

    def _next_line(self) -> bytes:
        end = self._buffer.find(b"\n") + 1
        if (end or len(self._buffer)) > self._left:
            raise BackendRefused(f"more than {SIZE} bytes")
        self._left -= end
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        return line
