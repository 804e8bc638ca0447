"""A sink that writes to a descriptor: standard output, be it a pipe, a terminal or a file."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence

from mailproxy.log.sink import Progress, Sink, first_lines, wait_until_writable

# A write of this size to a pipe is atomic, even if other processes write to it as well.
WRITE_BYTES = select.PIPE_BUF


class DescriptorSink(Sink):
    """Writes whole lines; a line that failed in the middle is written again, whole, on its own line."""

    def __init__(
        self,
        descriptor: int,
        name: str = "standard output",
        *,
        size: int = WRITE_BYTES,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        """A write has at most `size` bytes, unless a line is longer."""
        self.name = name
        self._descriptor = descriptor
        self._size = size
        self._write = write
        self._progress = Progress()
        self._is_cut = False

    def write(self, lines: Sequence[bytes]) -> int:
        """Write as many lines as fit in one write."""
        progress = self._progress
        chunk = first_lines(lines, self._size + progress.offset)
        data = b"".join(chunk)[progress.offset :]
        try:
            count = self._write(self._descriptor, b"\n" + data if self._is_cut else data)
        except BlockingIOError:
            # Another process that shares the descriptor has set O_NONBLOCK.
            wait_until_writable(self._descriptor)
            return 0
        except OSError:
            self._begin_again()
            raise
        if self._is_cut and count:
            self._is_cut = False
            count -= 1
        return progress.advance(chunk, count)

    def _begin_again(self) -> None:
        """Write the half-written line again, whole, after a line end."""
        if self._progress.offset:
            self._progress.offset = 0
            self._is_cut = True

    def forget(self) -> None:
        """Begin with a whole line: the parent process writes the rest of the current one."""
        super().forget()
        self._progress.offset = 0
        self._is_cut = False
