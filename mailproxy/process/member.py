"""One worker, as seen by the main process."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from mailproxy.front.sockets import Key as SocketKey
from mailproxy.process.channel import Channel
from mailproxy.process.pidfd import Process


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
    sent: int = 0
    """The number of the reading of the configuration that was sent to it last."""
    is_ready: bool = False
    """True when it has reported that it uses that reading, or cannot."""
    sockets: set[SocketKey] = field(factory=set)
    """The keys of its listening sockets."""
    beat: int = 0
    silent_looks: int = 0
    """The number of successive checks without a sign of life."""
    was_silent: bool = False
    """True if the main process has killed it since there was no sign of life."""
    report_deadline: IDelayedCall | None = None
    """After its socket has closed: the time when it counts as ended even without a report of the forker."""
    _process: Process | None = None

    def begin(self, pid: int) -> None:
        """Take the process id."""
        self.pid = pid
        self._process = Process(pid)

    def kill(self) -> None:
        """Kill the process; do nothing if it has ended."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Forget the process."""
        self.channel.close()
        if self.report_deadline is not None and self.report_deadline.active():
            self.report_deadline.cancel()
        if self._process is not None:
            self._process.close()
            self._process = None
