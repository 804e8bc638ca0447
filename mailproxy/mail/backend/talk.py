"""
Talking with a backend, line by line.

A talk is a generator: it yields what to send (nothing, to go on listening) and gets the backend's next line, with its
line end, or `Silence` thrown into it when no more will come. It returns what came of it, or raises `BackendRefused`.
"""

from __future__ import annotations

import codecs
from collections.abc import Generator
from typing import Generic, TypeAlias, TypeVar

_Result = TypeVar("_Result")

Talk: TypeAlias = Generator[bytes, bytes, _Result]

# Now: once privileges are dropped, Python's own files may be out of reach.
codecs.lookup("unicode_escape")

SIZE = 65536
"""
Octets that a backend may use up in one talk.

Dovecot's longest listings have two kilobytes; who sends more than this without coming to an end is no mail server.
"""

_SHOWN = 100


class BackendRefused(Exception):
    """The backend does not want, or does not speak as the protocol has it; the message is for the log."""


class Unexpected(BackendRefused):
    """The backend said something else than it had to, or nothing."""

    def __init__(self, step: str, expected: str, came: bytes, silence: str = "") -> None:
        """Tell at which step of a talk what was expected, and the line that came, or how the backend fell silent."""
        super().__init__(step, expected, came, silence)
        self.step = step
        self.expected = expected
        self.came = came
        self.silence = silence

    def __str__(self) -> str:
        """Say it in words."""
        came = shown(self.came)
        if self.silence:
            came = f"{self.silence} after {came}" if came else self.silence
        return f"{self.step}: expected {self.expected}, got {came or 'an empty line'}"


class AccountRefused(Unexpected):
    """The backend works, but does not let this account in: it is the account that has to be set right."""


class Misunderstood(Unexpected):
    """The backend answers with an error what we did not ask: it has taken the PROXY header for commands."""


class Silence(Exception):
    """No more comes from the backend; the message says how, for the log: ``nothing within 1 s``."""

    def __init__(self, how: str, rest: bytes = b"") -> None:
        """Tell how it fell silent, and the piece of a line that it left."""
        super().__init__(how)
        self.how = how
        self.rest = rest


class Parted(Silence):
    """The backend has closed the connection, which as an answer to a goodbye is in order."""

    def __init__(self, how: str = "the end of the connection", rest: bytes = b"") -> None:
        """Tell how it was closed, and the piece of a line that it left."""
        super().__init__(how, rest)


def shown(line: bytes) -> str:
    """Return the first 100 bytes of a backend's line for the log, with escapes for what is not printable ASCII."""
    return line[:_SHOWN].rstrip(b"\r\n").decode("latin-1").encode("unicode_escape").decode("ascii")


def hear(said: bytes, step: str, expected: str) -> Talk[bytes]:
    """Say this, and hear a line; the step and what is expected are for the log, should none come."""
    try:
        return (yield said)
    except Silence as silence:
        raise Unexpected(step, expected, silence.rest, silence.how) from silence


def hear_goodbye(said: bytes, step: str, expected: str) -> Talk[bytes]:
    """As `hear`, where a backend that closes has answered, too; with nothing."""
    try:
        return (yield said)
    except Parted:
        return b""
    except Silence as silence:
        raise Unexpected(step, expected, silence.rest, silence.how) from silence


class TalkReader(Generic[_Result]):
    """
    Leads one talk over a connection (mutable; one per talk).

    Only whole lines count; a lone LF ends one, too: the backend is ours, and nobody else reads what it says.
    """

    def __init__(self, talk: Talk[_Result], *, unasked: bool) -> None:
        """Begin to listen: the server speaks first. `unasked`: it may also speak before it is asked something."""
        self._talk = talk
        self._unasked = unasked
        self._left = SIZE
        self._buffer = b""
        self.result: _Result | None = None
        """What came of the talk."""
        self.is_over = False
        next(talk)

    @property
    def rest(self) -> bytes:
        """What the backend has said beyond what was listened to."""
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
        """No more comes; raises `BackendRefused` if the talk needed more than there was."""
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
