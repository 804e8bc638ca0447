"""Kills a process safely: never another one that has its process id by then."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


class Process:
    """A process, with a descriptor that only means this process (pidfd_open(2))."""

    def __init__(self, pid: int) -> None:
        """`pid` is its process id; the process may have ended already."""
        self.pid = pid
        self._descriptor = -1
        with suppress(ProcessLookupError):
            self._descriptor = os.pidfd_open(pid)

    def kill(self) -> None:
        """Kill the process; do nothing if it has ended."""
        if self._descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
