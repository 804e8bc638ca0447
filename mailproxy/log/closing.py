"""The close of a log: the waiting lines have a limited time."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mailproxy.log.writer import LineWriter

CLOSE_SECONDS = 1.0
"""When the log closes, a blocked reader has this time to take the waiting lines."""


class Closing:
    """The close of a log: it waits for the waiting lines, up to a deadline (mutable)."""

    def __init__(self) -> None:
        self._before: float | None = None
        self.has_begun = False
        """True after the first `drain`."""

    def drain(self, writers: Iterable[LineWriter]) -> None:
        """Wait until all lines are written, at most until `CLOSE_SECONDS` after the first call."""
        if self._before is None:
            self.has_begun = True
            self._before = time.monotonic() + CLOSE_SECONDS
        for writer in writers:
            writer.drain(max(self._before - time.monotonic(), 0.0))
