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

# How coarse: a deadline passes up to so much later than asked, never earlier.
TICK_SECONDS = 0.125

# When an object is first looked at, at the latest: until then even a connection's short deadlines move for free.
FIRST_LOOK_SECONDS = 4.0


class Waiting(Protocol):
    """What can wait: it keeps its own deadline, and hears when that has passed."""

    deadline: float
    """When to call `expired`, in seconds of the clock."""
    bucket: int
    """Where this stands in `Deadlines`; 0 for nowhere. Only `Deadlines` writes it."""

    def expired(self) -> None:
        """Hear that the deadline has passed."""

    def broke(self) -> None:
        """Hear of a bug of ours in `expired`: there will be no other deadline."""


class Deadlines:
    """
    The deadlines of all connections on a poller, whose idea of now they share.

    That is a monotonic clock, unlike Twisted's: a step of the wall clock must not end every session.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, poller: Poller) -> None:
        self._clock = clock
        self._poller = poller
        self._buckets: dict[int, dict[Waiting, None]] = {}
        self._order: list[int] = []
        self._call: IDelayedCall | None = None

    def set(self, waiting: Waiting, seconds: float) -> None:
        """Let an object hear in so many seconds, instead of whenever it would have heard before."""
        now = self._poller.now
        deadline = waiting.deadline = now + seconds
        if not waiting.bucket:
            self._put(waiting, int((now + min(seconds, FIRST_LOOK_SECONDS)) / TICK_SECONDS) + 1)
        elif waiting.bucket * TICK_SECONDS > deadline + TICK_SECONDS:
            del self._buckets[waiting.bucket][waiting]
            self._put(waiting, int(deadline / TICK_SECONDS) + 1)

    def clear(self, waiting: Waiting) -> None:
        """Forget an object."""
        if waiting.bucket:
            del self._buckets[waiting.bucket][waiting]
            waiting.bucket = 0

    def _put(self, waiting: Waiting, bucket: int) -> None:
        waiting.bucket = bucket
        members = self._buckets.get(bucket)
        if members is None:
            self._buckets[bucket] = {waiting: None}
            heapq.heappush(self._order, bucket)
            if self._order[0] == bucket:
                self._schedule()
        else:
            members[waiting] = None

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
                    waiting, _ = members.popitem()
                    waiting.bucket = 0
                    if waiting.deadline > now:
                        self._put(waiting, int(waiting.deadline / TICK_SECONDS) + 1)
                    else:
                        self._expire(waiting)
                del self._buckets[heapq.heappop(self._order)]
        finally:
            self._schedule()

    def _expire(self, waiting: Waiting) -> None:
        try:
            waiting.expired()
        except Exception:
            # Our bug: nothing else would end what waited, now that its deadline is gone.
            self._log.failure("bug in a deadline of {waiting}", waiting=waiting)
            waiting.broke()
