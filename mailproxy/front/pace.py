"""The limit on new connections in a time."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.config.rate import Rate
from mailproxy.counting.page import Numbers
from mailproxy.sources.window import COUNT_BITS, MAX_COUNT, counted, counts, windows_until
from mailproxy.transport.listener import Listener
from mailproxy.transport.poller import Poller

SHORTEST_PAUSE_SECONDS = 0.01
"""Several clients are accepted after each pause, because a timer for each would cost more than it smooths."""

_REASON = "rate"


class Pace:
    """
    A limit on the new connections of one frontend in a time, in all processes; listeners do not accept above it.

    Clients beyond it wait in the kernel's queue. Processes that accept at the same moment do not see each other's
    client: each further process may exceed the limit by one.
    """

    def __init__(
        self, rate: Rate, numbers: Numbers, every: Sequence[Numbers], *, poller: Poller, clock: IReactorTime
    ) -> None:
        """`numbers` has this process's count, and `every` those of all; they outlast this object."""
        self._rate = rate
        self._numbers = numbers
        self._every = tuple(every)
        self._poller = poller
        self._clock = clock
        self._listeners: list[Listener] = []
        self._call: IDelayedCall | None = None

    def apply_to(self, listener: Listener) -> None:
        """Apply the limit to a listener."""
        self._listeners.append(listener)
        if self._call is None:
            self._on_time()
        else:
            listener.pause(_REASON)

    def release(self, listener: Listener) -> None:
        """Forget a listener that has stopped."""
        self._listeners.remove(listener)
        if not self._listeners and self._call is not None:
            self._call.cancel()
            self._call = None

    def join(self) -> None:
        """Count a connection."""
        time = self._poller.now / self._rate.seconds
        self._numbers[0] = counted(self._numbers[0], time)
        if self._call is None:
            most = 0
            for numbers in self._every:
                word = numbers[0]
                most += (word & MAX_COUNT) + (word >> COUNT_BITS & MAX_COUNT)
            if most >= self._rate.count:
                self._pause_or_resume(time)

    def _pause_or_resume(self, time: float) -> None:
        """Pause if the limit is reached, until it is not; `time` is in windows of the rate."""
        previous = current = 0
        for numbers in self._every:
            before, now = counts(numbers[0], time)
            previous += before
            current += now
        is_below = current + previous * (1.0 - (time - int(time))) < self._rate.count
        if is_below:
            if self._call is None:
                return
            self._call = None
            for listener in self._listeners:
                listener.resume(_REASON)
            return
        if self._call is None:
            for listener in self._listeners:
                listener.pause(_REASON)
        seconds = windows_until(previous, current, self._rate.count, time) * self._rate.seconds
        self._call = self._clock.callLater(max(seconds, SHORTEST_PAUSE_SECONDS), self._on_time)

    def _on_time(self) -> None:
        self._pause_or_resume(self._poller.look_at_clock() / self._rate.seconds)
