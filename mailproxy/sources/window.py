"""
A rate in two numbers: the events in the current window of time and in the one before.

The rate at any moment is estimated from both: the events of the previous window count as far as it is still within the
time. So the limit of a window cannot be used up twice around its end, and nothing needs a timer.

Each of the two numbers has a count in its low bits, and above it one half of the number of the current window: the
first number has the count of the current window and the low half, the second one the count of the previous window and
the high half. They have 30 bits, because Python is slow with integers that have more.

Another process may read them at any time. When a window ends, the second number is written first, and it is read last.
So a reader between both writes sees the window that has just ended, without the newest event; at the end of each
1024th window it sees no events. Neither lasts longer than a microsecond.
"""

from __future__ import annotations

COUNT_BITS = 20

MAX_COUNT = (1 << COUNT_BITS) - 1
"""
The most events that a window counts; further ones are not counted.

``(current & MAX_COUNT) + (previous & MAX_COUNT)``, of both numbers of a rate, is the most that can be `estimated` until
there is another event: it tells cheaply that a limit is not reached.
"""

_HALF_BITS = 10
_HALF = (1 << _HALF_BITS) - 1

WINDOWS = 1 << 2 * _HALF_BITS
"""The numbers of windows repeat after this many of them: 12 days of the shortest windows, those of one second."""


class Window:
    """
    The current window of a rate's time, which `move` brings up to date (mutable).

    A caller compares `end` with the time itself, and numbers with the marks: that is most of what counting costs.
    """

    __slots__ = ("_number", "_seconds", "_shift", "end", "high", "low")

    def __init__(self, seconds: float, shift: float = 0.0) -> None:
        """`shift` is added to times in windows."""
        self._seconds = seconds
        self._shift = shift
        self._number = 0
        self.end = 0.0
        """The time in seconds at which the next window begins."""
        self.low = self.high = 0
        """The marks of the window: ``^`` leaves the counts of numbers that have them, and else more than a count."""

    def move(self, now: float) -> None:
        """Go on to the window of a time in seconds."""
        self._number = number = int(self.time(now))
        self.end = (number + 1 - self._shift) * self._seconds
        self.low, self.high = _marks(number)

    def moved(self, current: int, previous: int) -> tuple[int, int]:
        """Return both numbers of a rate as they are in this window, before another event."""
        if current == 0:  # as of each new source, and so without a call
            return self.low, self.high
        passed = (self._number - _number(current, previous)) % WINDOWS
        if passed == 0:
            return current, previous
        return self.low, self.high | (current & MAX_COUNT if passed == 1 else 0)

    def time(self, now: float) -> float:
        """Return a time in windows."""
        return now / self._seconds + self._shift


def count(numbers: memoryview, place: int, time: float) -> None:
    """Count an event of the rate at a place; `time` is in windows, and so is never less than before."""
    low, high = _marks(int(time))
    current, previous = numbers[place], numbers[place + 1]
    events = current ^ low
    if events <= MAX_COUNT and previous ^ high <= MAX_COUNT:
        if events < MAX_COUNT:
            numbers[place] = current + 1
        return
    before, _ = counts(current, previous, time)
    numbers[place + 1] = high | before
    numbers[place] = low | 1


def counts(current: int, previous: int, time: float) -> tuple[int, int]:
    """Return the counts of the previous window and of the current one at `time`, from both numbers of a rate."""
    passed = (int(time) - _number(current, previous)) % WINDOWS
    if passed == 0:
        return previous & MAX_COUNT, current & MAX_COUNT
    return (current & MAX_COUNT if passed == 1 else 0), 0


def estimated(current: int, previous: int, time: float) -> float:
    """Return the events within the last window's length before `time`, which is in windows."""
    before, now = counts(current, previous, time)
    return now + before * (1.0 - (time - int(time)))


def _number(current: int, previous: int) -> int:
    """Return the number of the window of both numbers of a rate."""
    return previous >> COUNT_BITS << _HALF_BITS | current >> COUNT_BITS


def _marks(number: int) -> tuple[int, int]:
    """Return both halves of the number of a window, above the bits of counts."""
    return (number & _HALF) << COUNT_BITS, (number >> _HALF_BITS & _HALF) << COUNT_BITS


def windows_until(previous: int, current: int, limit: int, time: float) -> float:
    """
    Return how many windows later than `time` the estimate is below a limit, if nothing more happens.

    `previous` and `current` are the counts of the window before `time` and of its own.
    """
    passed = time - int(time)
    if current < limit:
        # The previous window's part has to shrink to what is left.
        return max(1.0 - (limit - current) / previous - passed, 0.0) if previous else 0.0
    return 1.0 - passed + (1.0 - limit / current)
