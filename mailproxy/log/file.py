"""A file that lines are added to, which may be moved aside, or deleted, at any time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from mailproxy.log.descriptor import DescriptorSink

# Several processes write to the file, each of them whole lines.
WRITE_BYTES = 64 * 1024

# Not for everybody: lines have clients' addresses.
MODE = 0o640

# How long the next try to open the file waits while the former file is still there to be written to.
REOPEN_SECONDS = 1.0


class FileSink(DescriptorSink):
    """
    Adds lines to the file of a path.

    A file that was moved gets lines until `reopen`; one that was deleted does not, as nobody could read them. If the
    path cannot be opened again, a file that was only moved gets lines until it can.
    """

    def __init__(
        self,
        path: str,
        *,
        write: Callable[[int, bytes], int] = os.write,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(-1, path, size=WRITE_BYTES, write=write)
        self._path = path
        self._clock = clock
        self._is_reopened = False
        self._open_at = 0.0

    def reopen(self) -> None:
        """Open the path again, at the next line or `refresh`."""
        self._open_at = 0.0
        self._is_reopened = True

    def refresh(self) -> None:
        """Open the path again if that was asked for."""
        if self._descriptor >= 0 and self._is_reopened:
            self._open()

    def write(self, lines: Sequence[bytes]) -> int:
        """Write what is one write, to the file that the path is of."""
        if self._descriptor < 0 or self._is_reopened or not os.fstat(self._descriptor).st_nlink:
            self._open()
        return super().write(lines)

    def _open(self) -> None:
        if self._descriptor >= 0 and self._clock() < self._open_at:
            return
        # Before the path is looked at: what is asked for later counts again.
        self._is_reopened = False
        try:
            new = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, MODE)
        except OSError:
            self._is_reopened = True
            if self._descriptor < 0 or not os.fstat(self._descriptor).st_nlink:
                raise
            self._open_at = self._clock() + REOPEN_SECONDS
            return
        self.close()
        self._descriptor = new
        self._progress.offset = 0
        self._is_cut = False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def forget(self) -> None:
        """Open the file anew."""
        super().forget()
        self.close()
