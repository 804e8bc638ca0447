"""One worker, as the main process knows it."""

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
    """A worker as long as its process lives (mutable)."""

    number: int
    """Its place among the workers, which its successor has, too."""
    channel: Channel
    began: float
    stamp: int = 0
    pid: int = 0
    """0 until the forker has said it."""
    is_ready: bool = False
    """True while it works by the configuration that it was told last."""
    sockets: set[SocketKey] = field(factory=set)
    """What it listens on."""
    beat: int = 0
    silent_looks: int = 0
    """How many looks in a row have found that it shows no life."""
    last_word: IDelayedCall | None = None
    """When it counts as ended although nobody says how, once it says nothing any more."""
    _process: int = -1

    def begin(self, pid: int) -> None:
        """Know the process."""
        self.pid = pid
        # It may have ended already.
        with suppress(ProcessLookupError):
            self._process = os.pidfd_open(pid)

    def kill(self) -> None:
        """End the process at once; nothing if it has ended, whatever else may have its process id by now."""
        if self._process >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        """Know the process no more."""
        self.channel.close()
        if self.last_word is not None and self.last_word.active():
            self.last_word.cancel()
        if self._process >= 0:
            os.close(self._process)
            self._process = -1
