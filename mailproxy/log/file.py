"""A sink that appends to a file, which may be renamed or deleted at any time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from mailproxy.log.descriptor import DescriptorSink

# Several processes may append to the file, each of them whole lines.
WRITE_BYTES = 64 * 1024

# Not readable by all users: lines contain clients' addresses.
MODE = 0o640

# The pause between attempts to open the path, while the previous file can still be written.
REOPEN_SECONDS = 1.0


class FileSink(DescriptorSink):
    """
    Appends lines to the file at a path.

    A renamed file gets lines until `reopen`. A deleted file gets none, because they could not be read; the path is
    opened again. If `reopen` fails, a renamed file gets lines until it succeeds.
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
        """Open the path again at the next line or `refresh`."""
        self._open_at = 0.0
        self._is_reopened = True

    def refresh(self) -> None:
        """Open the path again if `reopen` was called."""
        if self._descriptor >= 0 and self._is_reopened:
            self._open()

    def write(self, lines: Sequence[bytes]) -> int:
        """Write as many lines as fit in one write, after opening the path again if needed."""
        if self._descriptor < 0 or self._is_reopened or not os.fstat(self._descriptor).st_nlink:
            self._open()
        return super().write(lines)

    def _open(self) -> None:
        if self._descriptor >= 0 and self._clock() < self._open_at:
            return
        # Reset before the path is opened, so that a later `reopen` is not lost.
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
        """Close the inherited file; the next line opens it again."""
        super().forget()
        self.close()
