"""Times of the week, such as ``"Mon-Fri 08:00-18:00"``."""

import re

from attrs import field, frozen

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import nearest, quoted

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MINUTES = 24 * 60
WEEK_MINUTES = len(DAYS) * _DAY_MINUTES

_NEEDS = 'days and hours such as "Mon-Fri 08:00-18:00", "Sat,Sun" or "22:00-06:00"'
_CLOCK = re.compile(r"([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")


@frozen
class Moments:
    """The minutes of a week, from Monday's first on, that a text means."""

    text: str
    spans: tuple[tuple[int, int], ...] = field(repr=False)
    """First minute and the one after the last; disjoint."""

    def __str__(self) -> str:
        """Return it as it is written."""
        return self.text

    def __contains__(self, minute: int) -> bool:
        """Return whether a minute of the week is one of them."""
        return any(first <= minute < end for first, end in self.spans)


def _read(text: str) -> Moments:
    words = text.split()
    days, hours = "Mon-Sun", "00:00-24:00"
    if len(words) == 2:
        days, hours = words
    elif len(words) == 1:
        days, hours = (days, words[0]) if ":" in words[0] else (words[0], hours)
    else:
        raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}")
    first, last = _hours(hours, text)
    # Hours that end on the next day belong to the day on which they begin.
    length = (last - first) % _DAY_MINUTES or _DAY_MINUTES
    spans: list[tuple[int, int]] = []
    for day in sorted(_days(days, text)):
        begin = day * _DAY_MINUTES + first
        end = begin + length
        spans.append((begin, min(end, WEEK_MINUTES)))
        if end > WEEK_MINUTES:
            spans.append((0, end - WEEK_MINUTES))
    return Moments(text, tuple(spans))


def _days(words: str, text: str) -> set[int]:
    found: set[int] = set()
    for word in words.split(","):
        first, dash, last = word.partition("-")
        begin = _day(first, text)
        end = _day(last, text) if dash else begin
        found.update((begin + step) % len(DAYS) for step in range((end - begin) % len(DAYS) + 1))
    return found


def _day(word: str, text: str) -> int:
    for number, name in enumerate(DAYS):
        if word.lower() == name.lower():
            return number
    meant = nearest(word, [name.lower() for name in DAYS])
    hint = f"did you mean {quoted(meant.capitalize())}?" if meant else f"needs {_NEEDS}"
    raise WrongValue(f"is {quoted(text)}, in which {quoted(word)} is no day of the week; {hint}")


def _hours(words: str, text: str) -> tuple[int, int]:
    match = _CLOCK.fullmatch(words)
    if match is None:
        raise WrongValue(f"is {quoted(text)}, in which {quoted(words)} is not hours such as 08:00-18:00")
    begin, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3))
    if begin >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise WrongValue(f"is {quoted(text)}, in which {quoted(words)} is not hours of a day")
    return begin, end


MOMENTS: Kind[Moments] = Kind((str,), _NEEDS, _read, schema={"minLength": 1}, write=str)
