"""
A rate in one machine word: the events in the current window of time and in the one before.

The rate at any moment is estimated from both: the events of the previous window count as far as it is still within the
time. So the limit of a window cannot be used up twice around its end, and nothing needs a timer. A word has, from its
high bits on, the number of the current window, the count of the previous one, and the count of the current one.
"""

from __future__ import annotations

COUNT_BITS = 20
"""
The bits of a count. ``(word & MAX_COUNT) + (word >> COUNT_BITS & MAX_COUNT)`` is the most that can be `estimated`
until there is another event: it tells cheaply that a limit is not reached.
"""
_NUMBER_BITS = 23

MAX_COUNT = (1 << COUNT_BITS) - 1
"""The most events that a window counts; further ones are not counted."""

_NUMBERS = (1 << _NUMBER_BITS) - 1
"""The numbers of windows repeat after 97 days of the shortest windows, those of one second."""

_FORMER = COUNT_BITS
_NUMBER = 2 * COUNT_BITS


def counted(word: int, time: float) -> int:
    """Return the word after one more event; `time` is in windows, and so is never less than before."""
    number = int(time) & _NUMBERS
    if word >> _NUMBER != number:
        return _moved(word, number) + 1
    return word if word & MAX_COUNT == MAX_COUNT else word + 1


def estimated(word: int, time: float) -> float:
    """Return the events within the last window's length before `time`, which is in windows."""
    whole = int(time)
    number = whole & _NUMBERS
    if word >> _NUMBER != number:
        word = _moved(word, number)
    return (word & MAX_COUNT) + (word >> _FORMER & MAX_COUNT) * (1.0 - (time - whole))


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


def counts(word: int, time: float) -> tuple[int, int]:
    """Return the counts of the previous window and of the current one at `time`."""
    number = int(time) & _NUMBERS
    if word >> _NUMBER != number:
        word = _moved(word, number)
    return word >> _FORMER & MAX_COUNT, word & MAX_COUNT


def _moved(word: int, number: int) -> int:
    """Return the word in the window with this number, which is another one."""
    if ((word >> _NUMBER) + 1) & _NUMBERS == number:
        return number << _NUMBER | (word & MAX_COUNT) << _FORMER
    return number << _NUMBER
