"""
Many coarse timers for the price of few.

Every connection always waits for something under a deadline, and nearly every deadline is moved long before it
passes: a `DelayedCall` each would cost more than the relay. Here a deadline is a number in the object that waits, and
the object stands in the bucket of a moment at which it will be looked at, early rather than late. Moving a deadline to
any time after that moment costs one assignment.
"""

from __future__ import annotations

import heapq
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy.transport.poller import Poller

# A deadline passes up to this much later than asked, never earlier.
TICK_SECONDS = 0.125

# An object is first looked at after this time at the latest: until then even short deadlines move for free.
FIRST_LOOK_SECONDS = 4.0


class Timed(Protocol):
    """What has a deadline: it keeps its own, and is called when that has passed."""

    deadline: float
    """When to call `expired`, in seconds of the clock."""
    timer_bucket: int
    """Where this stands in `Deadlines`; 0 for nowhere. Only `Deadlines` writes it."""

    def expired(self) -> None:
        """Go on: the deadline has passed."""

    def broke(self) -> None:
        """Give up, because of a bug of ours in `expired`: there will be no other deadline."""


class Deadlines:
    """
    The deadlines of all connections on a poller, whose idea of now they share.

    That is a monotonic clock, unlike Twisted's: a step of the wall clock must not end every session.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, poller: Poller) -> None:
        self._clock = clock
        self._poller = poller
        self._buckets: dict[int, dict[Timed, None]] = {}
        self._order: list[int] = []
        self._call: IDelayedCall | None = None

    def set(self, timed: Timed, seconds: float) -> None:
        """Call `expired` of an object after seconds, instead of when it would be called before."""
        now = self._poller.now
        deadline = timed.deadline = now + seconds
        if not timed.timer_bucket:
            self._put(timed, int((now + min(seconds, FIRST_LOOK_SECONDS)) / TICK_SECONDS) + 1)
        elif timed.timer_bucket * TICK_SECONDS > deadline + TICK_SECONDS:
            del self._buckets[timed.timer_bucket][timed]
            self._put(timed, int(deadline / TICK_SECONDS) + 1)

    def clear(self, timed: Timed) -> None:
        """Forget an object."""
        if timed.timer_bucket:
            del self._buckets[timed.timer_bucket][timed]
            timed.timer_bucket = 0

    def _put(self, timed: Timed, bucket: int) -> None:
        timed.timer_bucket = bucket
        members = self._buckets.get(bucket)
        if members is None:
            self._buckets[bucket] = {timed: None}
            heapq.heappush(self._order, bucket)
            if self._order[0] == bucket:
                self._schedule()
        else:
            members[timed] = None

    def _schedule(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._order:
            wait = self._order[0] * TICK_SECONDS - self._poller.look_at_clock()
            self._call = self._clock.callLater(max(wait, 0.0), self._look)

    def _look(self) -> None:
        self._call = None
        now = self._poller.look_at_clock()
        try:
            while self._order and self._order[0] * TICK_SECONDS <= now:
                members = self._buckets[self._order[0]]
                while members:
                    timed, _ = members.popitem()
                    timed.timer_bucket = 0
                    if timed.deadline > now:
                        self._put(timed, int(timed.deadline / TICK_SECONDS) + 1)
                    else:
                        self._expire(timed)
                del self._buckets[heapq.heappop(self._order)]
        finally:
            self._schedule()

    def _expire(self, timed: Timed) -> None:
        try:
            timed.expired()
        except Exception:
            # Our bug: nothing else would end it, now that its deadline is gone.
            self._log.failure("bug in a deadline of {timed}", timed=timed)
            timed.broke()
