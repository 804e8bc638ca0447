"""How workers have ended: the words for an exit status, and the ends of the last minutes for administrators."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Container

from twisted.internet.interfaces import IReactorTime

RECENT_SECONDS = 600.0
"""How long an end is listed under *What needs attention*: a person who is called has time to look."""


_LOST = "cannot be replaced, as both forkers have ended: restart mailproxy, or start its successor with --take-over"


def described(status: int | None) -> str:
    """Return the reason why a process has ended, in words."""
    if status is None:
        return "unknown reason: the forker that made it has ended, or has not reported"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def how_it_ended(status: int | None, *, was_silent: bool = False) -> str:
    """Return the same as the words after "worker 2"; `was_silent`: the main process killed it for its silence."""
    if was_silent:
        return "did not respond and was killed"
    if status is None:
        return "ended for an unknown reason"
    return f"{'ended with' if status >= 0 else 'was'} {described(status)}"


class WorkerEnds:
    """The ends of the last `RECENT_SECONDS` (mutable)."""

    def __init__(self, clock: IReactorTime, wall: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wall = wall
        self._moments: dict[int, list[float]] = {}
        """By the worker's number, by the clock: a worker that ends again and again has one every 5 s at most."""
        self._latest: dict[int, str] = {}
        self.count = 0
        """All ends since the start."""

    def add(self, number: int, how: str) -> None:
        """Add the end of a worker, in the words of `how_it_ended`."""
        self.count += 1
        self._forget_old()
        self._moments.setdefault(number, []).append(self._clock.seconds())
        self._latest[number] = f"{how} at {time.strftime('%H:%M:%S', time.gmtime(self._wall()))} UTC"

    def _forget_old(self) -> None:
        since = self._clock.seconds() - RECENT_SECONDS
        recent = {number: [at for at in moments if at > since] for number, moments in self._moments.items()}
        self._moments = {number: moments for number, moments in recent.items() if moments}

    def sentences(self, there: Container[int], lost: Collection[int] = ()) -> tuple[str, ...]:
        """
        Return a sentence about each worker that has ended.

        `there` has the numbers of those that live now, and `lost` of those that cannot be replaced.
        """
        self._forget_old()
        return tuple(
            f"worker {number} {self._how(number)}{_LOST}" if number in lost else self._sentence(number, number in there)
            for number in sorted({*self._moments, *lost})
        )

    def _how(self, number: int) -> str:
        return f"{self._latest[number]}, and " if number in self._moments else ""

    def _sentence(self, number: int, is_there: bool) -> str:
        count = len(self._moments[number])
        after = "and was replaced" if is_there else "and is not replaced yet"
        often = f"; it has ended {count} times in {RECENT_SECONDS / 60:g} minutes" if count > 1 else ""
        return f"worker {number} {self._latest[number]}, {after}{often}"
