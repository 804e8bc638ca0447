"""Long work in slices of a millisecond, so that sessions run between them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailproxy.tls.steps import Steps

T = TypeVar("T")

# A session's round trip takes less time than a slice; the pause after each slice is as long.
SLICE_SECONDS = 0.001
PAUSE_SECONDS = 0.001


class Slices:
    """Does one piece of work after the other (mutable)."""

    def __init__(self, clock: IReactorTime, timer: Callable[[], float] = perf_counter) -> None:
        """`timer` measures slices."""
        self._clock = clock
        self._timer = timer
        self._one_at_a_time = DeferredLock()

    def run(self, work: Callable[[], Steps[T]]) -> Deferred[T]:
        """Do the steps of a piece of work when the pieces before are done; the Deferred has its result."""
        return self._one_at_a_time.run(self._begin, work)

    def _begin(self, work: Callable[[], Steps[T]]) -> Deferred[T]:
        done: Deferred[T] = Deferred()
        self._slice(work(), done)
        return done

    def _slice(self, steps: Steps[T], done: Deferred[T]) -> None:
        end = self._timer() + SLICE_SECONDS
        try:
            while self._timer() < end:
                next(steps)
        except StopIteration as stop:
            done.callback(stop.value)
        except Exception:
            done.errback(Failure())
        else:
            self._clock.callLater(PAUSE_SECONDS, self._slice, steps, done)
