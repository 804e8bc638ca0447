"""What takes the bytes of log lines: the one thing that a target of the log has of its own."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from itertools import islice


class Sink:
    """
    Takes lines, and may block or fail while it does: a thread of its own calls it (`mailproxy.log.writer`).

    Only `reopen` is for other threads.
    """

    name = ""
    """How a message calls it."""

    lost = 0
    """Lines that were taken and turned out not to have arrived; who reads it resets it."""

    def write(self, lines: Sequence[bytes]) -> int:
        """
        Take some of the lines, from the first on, and return how many are done.

        It returns 0 when the target takes nothing at the moment, after waiting for `WAIT_SECONDS` at most if it can,
        and raises `OSError` when it fails. Either way the first line is to be offered again.
        """
        raise NotImplementedError

    def reopen(self) -> None:
        """Open by name again what has one, at the next line or `refresh`."""

    def refresh(self) -> None:
        """Do what `reopen` asked for, if it has not been done yet."""

    def close(self) -> None:
        """Let go of the target."""

    def forget(self) -> None:
        """Be as new, in a process that was forked."""
        self.lost = 0


WAIT_SECONDS = 1.0
"""How long a target that takes nothing is waited for, before somebody asks whether it is wanted yet."""


def wait_until_writable(target: int | socket.socket) -> None:
    """Return when a descriptor that would have blocked takes something again, or after `WAIT_SECONDS`."""
    poll = select.poll()
    poll.register(target, select.POLLOUT)
    poll.poll(WAIT_SECONDS * 1000)


def first_lines(lines: Sequence[bytes], size: int) -> list[bytes]:
    """Return as many lines as are no longer than `size` together, and at least one."""
    found = [lines[0]]
    left = size - len(lines[0])
    for line in islice(lines, 1, None):
        left -= len(line)
        if left < 0:
            break
        found.append(line)
    return found


class Progress:
    """How far a stream has got in the lines that it was offered: `offset` bytes of the first one are done."""

    def __init__(self) -> None:
        self.offset = 0

    def advance(self, lines: Sequence[bytes], count: int) -> int:
        """Count these bytes; return how many lines are done with them."""
        position = self.offset + count
        done = 0
        for line in lines:
            if position < len(line):
                break
            position -= len(line)
            done += 1
        self.offset = position
        return done
