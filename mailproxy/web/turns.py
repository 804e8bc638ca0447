"""
The time that HTTP takes from the sessions: short pieces, and no more than a part of the whole.

Each request, and each longer piece of work for one, waits for its turn here. The reactor looks at the sessions before
each turn. After a turn the next one waits four times as long as that one took, so HTTP has a fifth of the time at most,
however many clients ask for however much. A health check has its turn before all others.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

REST = 4.0
"""The rest after a turn, as a multiple of its time."""


class Turns:
    """The turns of all requests, first come, first served, but for urgent ones."""

    def __init__(self, reactor: Any, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` measures the time of a turn, in seconds."""
        self._reactor = reactor
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()
        self._urgent: deque[Deferred[None]] = deque()
        self._call: IDelayedCall | None = None
        self._rested = 0.0

    def next(self, *, is_urgent: bool = False) -> Deferred[None]:
        """
        Return a Deferred that fires when it is the caller's turn, which lasts until the caller waits again.

        Urgent ones are first.
        """
        turn: Deferred[None] = Deferred()
        (self._urgent if is_urgent else self._waiting).append(turn)
        self._wait()
        return turn

    def _wait(self) -> None:
        if self._call is None:
            self._call = self._reactor.callLater(max(self._rested - self._reactor.seconds(), 0.0), self._begin)

    def _begin(self) -> None:
        self._call = None
        turn = (self._urgent or self._waiting).popleft()
        if not turn.called:  # else its client has left
            began = self._clock()
            turn.callback(None)
            self._rested = self._reactor.seconds() + REST * (self._clock() - began)
        if self._urgent or self._waiting:
            self._wait()

    def stop(self) -> None:
        """Begin no further turn."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        for waiting in (self._urgent, self._waiting):
            while waiting:
                waiting.popleft().cancel()
