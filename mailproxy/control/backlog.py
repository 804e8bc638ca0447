"""The lines that wait for a client that does not read."""

from __future__ import annotations

from collections import deque

from mailproxy.control.message import encode

WAITING_BYTES = 256 * 1024
"""The most bytes that wait for a client: about a second of events of a very busy service."""


class Backlog:
    """Keeps lines up to `WAITING_BYTES`; further ones are lost until it is empty, and a last line counts them."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._lost = 0

    def __bool__(self) -> bool:
        return bool(self._lines) or self._lost > 0

    def add(self, line: bytes) -> None:
        """Add a line, or count it as lost."""
        if self._lost or self._size + len(line) > WAITING_BYTES:
            self._lost += 1
        else:
            self._lines.append(line)
            self._size += len(line)

    def pop(self) -> bytes:
        """Remove the first line and return it; if only lost ones are left, return the line with their number."""
        if self._lines:
            line = self._lines.popleft()
            self._size -= len(line)
            return line
        lost, self._lost = self._lost, 0
        return encode("lost", {"events": lost})
