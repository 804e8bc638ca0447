"""Rates: a number and the time in which it is counted, such as ``"30/1m"``."""

import re

from attrs import frozen

from mailproxy.config.duration import seconds, written
from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import quoted

MAX_COUNT = 1_000_000
"""The counts of sources have 20 bits (`mailproxy.sources.window`)."""

LONGEST_SECONDS = 24 * 3600.0
"""A source that is silent for longer may be forgotten, because the table of sources has a limited size."""

_RATE = re.compile(r"([0-9]{1,10})/([0-9]{1,12} ?[A-Za-z]*)")
_NEEDS = 'a rate such as "30/1m": a number, and the time in which it is counted'


@frozen
class Rate:
    """A number of events in a time."""

    count: int
    seconds: float

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"{self.count}/{written(self.seconds)}"


def _rate(text: str) -> Rate:
    match = _RATE.fullmatch(text)
    if match is None:
        raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}")
    count, time = int(match[1]), match[2]
    try:
        window = seconds(time)
    except WrongValue as error:
        raise WrongValue(f"is {quoted(text)}, whose time {error}") from None
    if count > MAX_COUNT:
        raise WrongValue(f"is {quoted(text)}; the most is {MAX_COUNT} in a time")
    if not 1.0 <= window <= LONGEST_SECONDS:
        raise WrongValue(f'is {quoted(text)}; the time is from "1s" to "{written(LONGEST_SECONDS)}"')
    return Rate(count, window)


RATE: Kind[Rate] = Kind(
    (str,), _NEEDS, _rate, '`"NUMBER/TIME"`', {"pattern": "^[0-9]{1,10}/[0-9]{1,12} ?(ms|s|m|h|d)$"}, str
)
