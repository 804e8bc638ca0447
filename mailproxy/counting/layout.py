"""The numbers in a block: one index for each, and what their values mean."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from mailproxy.counting.page import Numbers

_UNITS_PER_SECOND = 1_000_000


class Layout:
    """The numbers of one kind of block, by name; it is complete when its module is imported."""

    def __init__(self) -> None:
        self.length = 0
        self._numbers: dict[str, int] = {}
        self._tables: dict[str, Mapping[str, int]] = {}
        self._histograms: dict[str, Histogram] = {}

    def number(self, name: str) -> int:
        """Add a number; return its index."""
        self._numbers[name] = self._more(1)
        return self._numbers[name]

    def table(self, name: str, keys: Iterable[str]) -> Mapping[str, int]:
        """Add a number for each key, which a label of a metric can be; return their indexes."""
        self._tables[name] = {key: self._more(1) for key in dict.fromkeys(keys)}
        return self._tables[name]

    def histogram(self, name: str, bounds: Sequence[float]) -> Histogram:
        """Add a histogram of durations with these upper bounds in seconds, which ascend."""
        self._histograms[name] = Histogram(self._more(len(bounds) + 2), tuple(bounds))
        return self._histograms[name]

    def _more(self, count: int) -> int:
        first = self.length
        self.length += count
        return first

    def totals(self, numbers: Sequence[int]) -> Totals:
        """Return the numbers of a block, or the sums of several, by name."""
        return Totals(
            {name: numbers[index] for name, index in self._numbers.items()},
            {name: {key: numbers[index] for key, index in keys.items()} for name, keys in self._tables.items()},
            {name: histogram.durations(numbers) for name, histogram in self._histograms.items()},
        )


@frozen
class Histogram:
    """Where a block has a histogram of durations: a number for each bucket, then the sum in microseconds."""

    first: int
    bounds: tuple[float, ...]
    """The greatest duration of each bucket, in seconds; one more bucket has all longer ones."""

    def count(self, numbers: Numbers, seconds: float) -> None:
        """Count a duration."""
        numbers[self.first + bisect_left(self.bounds, seconds)] += 1
        self._add(numbers, seconds)

    def count_all(self, numbers: Numbers, durations: list[float]) -> None:
        """Count durations together, and sort them: so there is one search, and one addition, for each bucket."""
        self._add(numbers, sum(durations))
        durations.sort()
        bounds, first, counted, count = self.bounds, self.first, 0, len(durations)
        while counted < count:
            bucket = bisect_left(bounds, durations[counted])
            end = bisect_right(durations, bounds[bucket], counted) if bucket < len(bounds) else count
            numbers[first + bucket] += end - counted
            counted = end

    def _add(self, numbers: Numbers, seconds: float) -> None:
        """Add a duration, or the sum of several, that is counted in its bucket already."""
        if seconds > 0.0:  # the sum never goes back
            numbers[self.first + len(self.bounds) + 1] += int(seconds * _UNITS_PER_SECOND)

    def durations(self, numbers: Sequence[int]) -> Durations:
        """Return the durations that are counted in a block."""
        end = self.first + len(self.bounds) + 1
        return Durations(self.bounds, tuple(numbers[self.first : end]), numbers[end] / _UNITS_PER_SECOND)


@frozen
class Durations:
    """Counted durations."""

    bounds: tuple[float, ...]
    """The greatest duration of each bucket but the last, in seconds."""
    counts: tuple[int, ...]
    """The number of durations in each bucket alone; the last bucket has those above all bounds."""
    total_seconds: float


@frozen
class Totals:
    """The numbers of one thing, such as a frontend, since the start of mailproxy."""

    numbers: Mapping[str, int]
    """By name."""
    tables: Mapping[str, Mapping[str, int]]
    """By name, and then by key."""
    histograms: Mapping[str, Durations]
    """By name."""
