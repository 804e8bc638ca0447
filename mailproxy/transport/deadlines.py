"""
Many coarse timers at low cost.

Every connection always has a deadline, and nearly every deadline is moved long before it passes: a `DelayedCall` for
each would cost more than the relay. Here a deadline is a number in the waiting object, and the object is in the bucket
of a time at which it will be checked, early rather than late. Moving a deadline to any time after that costs one
assignment.
"""

from __future__ import annotations

import heapq
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy.transport.poller import Poller

# `expired` is called up to this much later than the deadline, never earlier.
TICK_SECONDS = 0.125

# An object is first checked after this time at the latest: until then even short deadlines move at no cost.
FIRST_LOOK_SECONDS = 4.0


class Timed(Protocol):
    """An object with a deadline, which it keeps itself."""

    deadline: float
    """The time to call `expired`, in seconds of the clock."""
    timer_bucket: int
    """Its bucket in `Deadlines`; 0 for none. Only `Deadlines` writes it."""

    def expired(self) -> None:
        """The deadline has passed."""

    def broke(self) -> None:
        """Give up: `expired` has raised, which is our bug, and there is no other deadline."""


class Deadlines:
    """
    The deadlines of all connections on a poller, with the poller's clock.

    It is a monotonic clock, unlike Twisted's: a step of the wall clock must not end every session.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, poller: Poller) -> None:
        self._clock = clock
        self._poller = poller
        self._buckets: dict[int, dict[Timed, None]] = {}
        self._order: list[int] = []
        self._call: IDelayedCall | None = None

    def set(self, timed: Timed, seconds: float) -> None:
        """Call `expired` of an object after `seconds`; this replaces its earlier deadline."""
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
            self._call = self._clock.callLater(max(wait, 0.0), self._expire_due)

    def _expire_due(self) -> None:
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
            # Our bug: nothing else would end the object, because its deadline is gone.
            self._log.failure("bug in a deadline of {timed}", timed=timed)
            timed.broke()
