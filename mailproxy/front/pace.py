"""The limit on new connections in a time."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.config.rate import Rate
from mailproxy.counting.page import Numbers
from mailproxy.sources.window import MAX_COUNT, Window, count, counts, windows_until
from mailproxy.transport.listener import Listener
from mailproxy.transport.poller import Poller

SHORTEST_PAUSE_SECONDS = 0.01
"""Several clients are accepted after each pause, because a timer for each would cost more than it smooths."""

NUMBERS = 2
"""How many numbers count the connections of one process."""

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
        self._most = rate.count
        self._seconds = rate.seconds
        self._window = Window(rate.seconds)
        self._numbers = numbers
        self._every = tuple(every)
        self._few = rate.count - 1 if len(self._every) == 1 else 0
        """With fewer in both windows, one more does not reach the limit; 0 if other processes have to be asked."""
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
        numbers, window, now = self._numbers, self._window, self._poller.now
        if now >= window.end:
            window.move(now)
        current = numbers[0]
        # Each client pays for this, so the usual case has no call.
        if (current ^ window.low) + (numbers[1] ^ window.high) < self._few:
            numbers[0] = current + 1
        else:
            self._join_many(window.time(now))

    def _join_many(self, time: float) -> None:
        """Count a connection, and pause if the limit is reached; `time` is in windows of the rate."""
        count(self._numbers, 0, time)
        if self._call is None:
            most = 0
            for current, previous in self._every:
                most += (current & MAX_COUNT) + (previous & MAX_COUNT)
            if most >= self._most:
                self._pause_or_resume(time)

    def _pause_or_resume(self, time: float) -> None:
        """Pause if the limit is reached, until it is not; `time` is in windows of the rate."""
        previous = current = 0
        for numbers in self._every:
            before, now = counts(numbers[0], numbers[1], time)
            previous += before
            current += now
        is_below = current + previous * (1.0 - (time - int(time))) < self._most
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
        seconds = windows_until(previous, current, self._most, time) * self._seconds
        self._call = self._clock.callLater(max(seconds, SHORTEST_PAUSE_SECONDS), self._on_time)

    def _on_time(self) -> None:
        self._pause_or_resume(self._window.time(self._poller.look_at_clock()))
