"""Sinks write log lines to a target; each kind of target has one."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from itertools import islice


class Sink:
    """
    Writes lines to a target, and may block or fail: the thread of its writer calls it (`mailproxy.log.writer`).

    Other threads may only call `reopen`.
    """

    name = ""
    """The name of the target in messages."""

    lost = 0
    """The number of lines that were sent but did not arrive; the writer resets it."""

    def write(self, lines: Sequence[bytes]) -> int:
        """
        Write some of the lines, from the first on, and return the number of finished lines.

        Return 0 when the target takes nothing at the moment, after a wait of at most `WAIT_SECONDS`; raise `OSError`
        when it fails. In both cases, call it again with the same first line.
        """
        raise NotImplementedError

    def reopen(self) -> None:
        """Open a file by its path again, at the next line or `refresh`."""

    def refresh(self) -> None:
        """Open the file again now, if `reopen` was called since the last line."""

    def close(self) -> None:
        """Close the target."""

    def forget(self) -> None:
        """Reset the sink in a forked child."""
        self.lost = 0


WAIT_SECONDS = 1.0
"""The longest wait for a blocked target, before the writer checks whether it is still in use."""


def wait_until_writable(target: int | socket.socket) -> None:
    """Wait until a descriptor is writable, at most `WAIT_SECONDS`."""
    poll = select.poll()
    poll.register(target, select.POLLOUT)
    poll.poll(WAIT_SECONDS * 1000)


def first_lines(lines: Sequence[bytes], size: int) -> list[bytes]:
    """Return the first lines, as many as have at most `size` bytes together, and at least one."""
    found = [lines[0]]
    left = size - len(lines[0])
    for line in islice(lines, 1, None):
        left -= len(line)
        if left < 0:
            break
        found.append(line)
    return found


class Progress:
    """The position of a stream in its lines: `offset` bytes of the first line are written (mutable)."""

    def __init__(self) -> None:
        self.offset = 0

    def advance(self, lines: Sequence[bytes], count: int) -> int:
        """Advance by `count` bytes; return the number of lines that are finished."""
        position = self.offset + count
        done = 0
        for line in lines:
            if position < len(line):
                break
            position -= len(line)
            done += 1
        self.offset = position
        return done
