"""One worker, as seen by the main process."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall

from mailproxy.front.sockets import SocketKey
from mailproxy.process.channel import Channel
from mailproxy.process.pidfd import Process

# Checks are counted instead of time: if the main process itself was stopped, all workers get this many checks again.
SILENT_CHECKS = 10

# A worker does not count while it prepares its first reading of the configuration.
SILENT_CHECKS_AT_START = 120


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
    silent_checks: int = 0
    """The number of successive checks without a sign of life."""
    was_silent: bool = False
    """True if there was no sign of life for too long."""
    report_deadline: IDelayedCall | None = None
    """After its socket has closed: the time when it counts as ended even without a report of the forker."""
    _beat: int = 0
    _process: Process | None = None

    def begin(self, pid: int) -> None:
        """Take the process id."""
        self.pid = pid
        self._process = Process(pid)

    def check_alive(self, beat: int) -> bool:
        """Compare its count of seconds with that of the last check; return True when it has stopped counting."""
        self.silent_checks = self.silent_checks + 1 if beat == self._beat else 0
        self._beat = beat
        has_stopped = self.silent_checks == (SILENT_CHECKS if beat else SILENT_CHECKS_AT_START)
        self.was_silent = self.was_silent or has_stopped
        return has_stopped

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
