"""
Timeouts to the millisecond, for many users that seldom reach them.

They decide how soon a server is known to be down, so the coarse deadlines of sessions are not precise enough. One
`DelayedCall` each would be precise, but Twisted sorts its heap again after thousands of cancelled calls, every second
or so, and sessions wait 2 ms for that. Timeouts of one length pass in the order in which they began, so one call is
enough for all of them: the first one's.
"""

from __future__ import annotations

from itertools import takewhile
from math import inf
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger


class Timed(Protocol):
    """An object with a timeout."""

    def expired(self) -> None:
        """The time has passed."""


class Timeouts:
    """The timeouts of all checks under way, by their length in seconds."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._lanes: dict[float, dict[Timed, float]] = {}
        self._calls: dict[float, IDelayedCall] = {}

    def begin(self, timed: Timed, seconds: float) -> None:
        """Call `expired` of `timed` after `seconds`, unless `end` is called before."""
        self._lanes.setdefault(seconds, {})[timed] = self._clock.seconds() + seconds
        if seconds not in self._calls:
            self._call(seconds, seconds)

    def end(self, timed: Timed, seconds: float) -> None:
        """Forget a timeout of this length, if there is one."""
        lane = self._lanes.get(seconds, {})
        lane.pop(timed, None)
        if not lane and seconds in self._calls:
            self._calls.pop(seconds).cancel()

    def _call(self, lane: float, seconds: float) -> None:
        self._calls[lane] = self._clock.callLater(seconds, self._pass, lane)

    def _pass(self, seconds: float) -> None:
        del self._calls[seconds]
        lane = self._lanes[seconds]
        now = self._clock.seconds()
        for timed in list(takewhile(lambda timed: lane[timed] <= now, lane)):
            # The callbacks before may have ended or begun others.
            if lane.get(timed, inf) <= now:
                del lane[timed]
                self._expire(timed)
        if lane and seconds not in self._calls:
            # A clock that was set back must not lengthen a timeout.
            self._call(seconds, min(next(iter(lane.values())) - now, seconds))

    def _expire(self, timed: Timed) -> None:
        try:
            timed.expired()
        except Exception:
            self._log.failure("bug in {timed}", timed=timed)
