"""
Gives memory back to the system that many sessions at once have left behind.

Freed memory stays with the process: after 3,000 unfinished handshakes 58 KB each, after `malloc_trim` 1 KB. The
duration of `malloc_trim` grows with what it gives back, 70 µs for each MB, and nothing else runs meanwhile: so it
waits for a moment in which little happens.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy.transport.poller import Poller

LOOK_SECONDS = 5.0
"""The time between two looks at the number of sessions."""

REST_SECONDS = 60.0
"""The shortest time between two trims."""

MIN_PEAK = 500
"""Fewer sessions leave too little behind."""

BUSY_EVENTS = 4
"""More events in one turn of the loop are not a quiet moment."""

AGAIN_SECONDS = 0.25
"""The pause before another try to find a quiet moment."""

MAX_TRIES = 40
"""The tries to find one; then the memory is given back in a busy one."""


class Trimming:
    """Looks at the number of sessions, from `start` to `stop`, and trims after it has fallen to half of its peak."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        sessions: Callable[[], int],
        clock: IReactorTime,
        poller: Poller,
        trim: Callable[[], object] | None = None,
    ) -> None:
        """`sessions` returns the number of sessions; `trim` is `malloc_trim`, where there is one."""
        self._sessions = sessions
        self._clock = clock
        self._poller = poller
        self._trim = trim
        self._peak = 0
        self._rests_until = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to look."""
        self._call = self._clock.callLater(LOOK_SECONDS, self._check_sessions)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _check_sessions(self) -> None:
        sessions = self._sessions()
        self._peak = max(self._peak, sessions)
        has_fallen = self._peak >= MIN_PEAK and sessions <= self._peak // 2
        if has_fallen and self._clock.seconds() >= self._rests_until:
            self._try(MAX_TRIES)
        else:
            self.start()

    def _try(self, tries: int) -> None:
        if tries and self._poller.batch > BUSY_EVENTS:
            self._call = self._clock.callLater(AGAIN_SECONDS, self._try, tries - 1)
            return
        self._peak = self._sessions()
        self._rests_until = self._clock.seconds() + REST_SECONDS
        trim = self._trim = self._trim or find_trim()
        began = self._poller.look_at_clock()
        trim()
        seconds = self._poller.look_at_clock() - began
        self._log.debug("memory given back to the system in {ms} ms", event="trimmed", ms=round(seconds * 1000, 1))
        self.start()


def find_trim() -> Callable[[], object]:
    """Return the C library's `malloc_trim`; musl has none, and gives memory back by itself."""
    from ctypes import CDLL  # most processes never need it

    trim = getattr(CDLL(None), "malloc_trim", None)
    return _do_nothing if trim is None else lambda: trim(0)


def _do_nothing() -> None:
    """Do nothing."""
