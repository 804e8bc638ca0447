"""Removes bans that have ended, now and then: a look-up does not need that, but they take memory."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

SWEEP_SECONDS = 1.0

MAX_AT_ONCE = 500
"""The most bans that one turn removes: half a millisecond."""


class Sweep:
    """Calls `expire` with the number of bans that it may remove, until there are none, every second (mutable)."""

    def __init__(self, expire: Callable[[int], int], clock: IReactorTime) -> None:
        """`expire` returns how many it has removed."""
        self._expire = expire
        self._clock = clock
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        if self._call is None:
            self._call = self._clock.callLater(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        is_full = self._expire(MAX_AT_ONCE) == MAX_AT_ONCE
        self._call = self._clock.callLater(0 if is_full else SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        """Stop."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
