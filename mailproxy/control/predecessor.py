"""The process whose listening sockets this one has taken: it lives until its last session has ended."""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from mailproxy.control.sentence import write_replaced


class Predecessor:
    """A process that ends when its sessions have (mutable)."""

    def __init__(self, process: int, monotonic: Callable[[], float]) -> None:
        """Follow a process, by its id, while it lives."""
        self.process = process
        self._monotonic = monotonic
        self._ends_at: float | None = None
        try:
            self._end = os.pidfd_open(process)
        except OSError:  # it has ended, or has its id in another namespace, where `kill` here would not find it
            self._end = -1

    def ends_within(self, seconds: float | None) -> None:
        """Take note of the longest time that its sessions still have; None: it is not known."""
        self._ends_at = None if seconds is None else self._monotonic() + seconds

    @property
    def is_alive(self) -> bool:
        """True until the process has ended."""
        if self._end >= 0:
            poll = select.poll()
            poll.register(self._end, select.POLLIN)
            if poll.poll(0):
                self.close()
        return self._end >= 0

    @property
    def left_seconds(self) -> float | None:
        """The longest time that its sessions still have; None: it is not known."""
        return None if self._ends_at is None else max(self._ends_at - self._monotonic(), 0.0)

    @property
    def sentence(self) -> str:
        """What an administrator has to know of its sessions; empty if it has ended."""
        if not self.is_alive:
            return ""
        replaced = write_replaced(self.process, self.left_seconds)
        return replaced.subject + replaced.words

    def close(self) -> None:
        """Follow the process no longer."""
        if self._end >= 0:
            os.close(self._end)
            self._end = -1
