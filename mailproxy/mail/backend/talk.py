"""
Talking with a backend, line by line.

A talk is a generator: it yields what to send (nothing, to go on listening) and gets the backend's next line, with its
line end. It returns what came of it, or raises `BackendRefused`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, TypeAlias, TypeVar

_Result = TypeVar("_Result")

Talk: TypeAlias = Generator[bytes, bytes, _Result]

SIZE = 65536
"""
Octets that a backend may use up in one talk.

Dovecot's longest listings have two kilobytes; who sends more than this without coming to an end is no mail server.
"""

_SHOWN = 100


class BackendRefused(Exception):
    """The backend does not want, or does not speak as the protocol has it; the message is for the log."""


def shown(line: bytes) -> str:
    """Return the first 100 bytes of a backend's line for the log, with escapes for what is not printable ASCII."""
    return line[:_SHOWN].rstrip(b"\r\n").decode("latin-1").encode("unicode_escape").decode("ascii")


class Listener(Generic[_Result]):
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
                raise BackendRefused(f"said {shown(self._buffer)} before it was asked anything")
            to_send += wanted
        return to_send

    def _next_line(self) -> bytes:
        end = self._buffer.find(b"\n") + 1
        if (end or len(self._buffer)) > self._left:
            raise BackendRefused(f"more than {SIZE} bytes")
        self._left -= end
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        return line
