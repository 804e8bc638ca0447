"""What came of a comparison: medians over the rounds, ratios to the first front, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import median

from attrs import frozen

from benchmarks.comparison import Samples
from benchmarks.measures import Measure, Sample


@frozen
class Row:
    """
    One measure of one front, as medians.

    A ratio is above 1 where the front is better than the first one, or than itself in another measure: the reference.
    It is the median of the rounds' ratios, not the ratio of the medians: what disturbs a round tends to disturb both.
    """

    measure: str
    title: str
    front: str
    rounds: int
    cost: float
    user: float
    system: float
    cost_ratio: float | None
    cost_ratio_range: tuple[float, float] | None
    """The smallest and the greatest ratio of a round; None for the reference."""
    target: float | None
    limit: float | None
    rate: float
    rate_ratio: float | None
    p50_us: float
    p99_us: float
    negotiated: str

    @property
    def verdict(self) -> str:
        """Say whether this meets its target, in a word or two; "" where there is none."""
        if self.limit is not None:
            return "met" if self.cost <= self.limit else "missed"
        if self.target is None or self.cost_ratio is None:
            return ""
        return "met" if self.cost_ratio >= self.target else f"missed by {1 - self.cost_ratio / self.target:.0%}"


def rows(samples: Samples, measures: Iterable[Measure], fronts: Sequence[str]) -> Iterator[Row]:
    """Yield what was measured, by measure and front; `fronts` begins with the reference."""
    for measure in measures:
        for front in fronts:
            compared = (measure.name, fronts[0]) if measure.beside is None else (measure.beside, front)
            reference = samples.get(compared, {})
            taken = samples.get((measure.name, front), {})
            if taken:
                yield _row(measure, front, taken, reference, is_reference=front == fronts[0])


def _row(
    measure: Measure, front: str, taken: Mapping[int, Sample], reference: Mapping[int, Sample], *, is_reference: bool
) -> Row:
    pairs = [(sample, reference[number]) for number, sample in taken.items() if number in reference]
    cost_ratios = [theirs.cost / ours.cost for ours, theirs in pairs if ours.cost > 0]
    rate_ratios = [ours.rate / theirs.rate for ours, theirs in pairs if theirs.rate > 0]

    def middle(value: Callable[[Sample], float]) -> float:
        return median(value(sample) for sample in taken.values())

    return Row(
        measure=measure.name,
        title=measure.title,
        front=front,
        rounds=len(taken),
        cost=middle(lambda sample: sample.cost),
        user=middle(lambda sample: sample.user),
        system=middle(lambda sample: sample.system),
        cost_ratio=median(cost_ratios) if cost_ratios else None,
        cost_ratio_range=None if is_reference or not cost_ratios else (min(cost_ratios), max(cost_ratios)),
        target=None if is_reference else measure.target,
        limit=None if is_reference else measure.limit,
        rate=middle(lambda sample: sample.rate),
        rate_ratio=median(rate_ratios) if rate_ratios else None,
        p50_us=middle(lambda sample: sample.p50) * 1e6,
        p99_us=middle(lambda sample: sample.p99) * 1e6,
        negotiated=next(iter(taken.values())).negotiated,
    )


_HEAD = (
    f"{'':14}  {'front':12} {'cost':>9} {'user':>8} {'system':>8} {'ratio':>6} {'(range)':11}  {'target':8} {'':13}"
    f" {'rate/s':>9} {'ratio':>6} {'p50 µs':>8} {'p99 µs':>8}"
)


def table(measured: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table to read in a terminal."""
    yield _HEAD
    previous = ""
    for row in measured:
        if row.measure != previous:
            yield f"{row.measure:14}  {row.title}"
            previous = row.measure
        yield (
            f"{'':14}  {row.front:12} {_number(row.cost):>9} {_number(row.user):>8} {_number(row.system):>8}"
            f" {_fraction(row.cost_ratio):>6} {_range(row.cost_ratio_range):11}  {_goal(row):8} {row.verdict:13}"
            f" {_number(row.rate):>9} {_fraction(row.rate_ratio):>6} {_number(row.p50_us):>8} {_number(row.p99_us):>8}"
        ).rstrip()


def _goal(row: Row) -> str:
    if row.limit is not None:
        return f"<= {row.limit:g}"
    return "" if row.target is None else f">= {row.target:g}"


def _number(value: float) -> str:
    if not value:
        return ""
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _range(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{value[0]:.2f}-{value[1]:.2f}"
