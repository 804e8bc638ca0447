"""One worker, as seen by the main process."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from mailproxy.front.sockets import Key as SocketKey
from mailproxy.process.channel import Channel


@define(eq=False)
class Member:
    """A worker, while its process lives (mutable)."""

    number: int
    """Its number; the worker that replaces it has the same one."""
    channel: Channel
    began: float
    stamp: int = 0
    pid: int = 0
    """0 until the forker reports it."""
    told: int = 0
    """The number of the reading of the configuration that was sent to it last."""
    is_ready: bool = False
    """True when it has reported that it uses that reading, or cannot."""
    sockets: set[SocketKey] = field(factory=set)
    """The keys of its listening sockets."""
    beat: int = 0
    silent_looks: int = 0
    """The number of successive checks without a sign of life."""
    last_word: IDelayedCall | None = None
    """After its socket has closed: the time when it counts as ended even without a report of the forker."""
    _process: int = -1

    def begin(self, pid: int) -> None:
        """Take the process id."""
        self.pid = pid
        # It may have ended already.
        with suppress(ProcessLookupError):
            self._process = os.pidfd_open(pid)

    def kill(self) -> None:
        """Kill the process; do nothing if it has ended, even if another process has its id now."""
        if self._process >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        """Forget the process."""
        self.channel.close()
        if self.last_word is not None and self.last_word.active():
            self.last_word.cancel()
        if self._process >= 0:
            os.close(self._process)
            self._process = -1
