"""What came of a comparison: medians over the rounds, ratios to the first front, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from attrs import frozen

from benchmarks.comparison import Samples
from benchmarks.measures import Measure, Sample


@frozen
class Row:
    """One measure of one front; ratios are above 1 where the front is better than the first, the reference."""

    measure: str
    title: str
    front: str
    rounds: int
    cost: float
    user: float
    system: float
    cost_ratio: float | None
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
            return "met" if self.cost <= self.limit else "MISSED"
        if self.target is None or self.cost_ratio is None:
            return ""
        return "met" if self.cost_ratio >= self.target else f"missed by {1 - self.cost_ratio / self.target:.0%}"


def rows(samples: Samples, measures: Iterable[Measure], fronts: Sequence[str]) -> Iterator[Row]:
    """Yield what was measured, by measure and front; `fronts` begins with the reference."""
    for measure in measures:
        reference = samples.get((measure.name, fronts[0]), ())
        for front in fronts:
            taken = samples.get((measure.name, front), ())
            if taken:
                yield _row(measure, front, taken, reference, is_reference=front == fronts[0])


def _row(
    measure: Measure, front: str, taken: Sequence[Sample], reference: Sequence[Sample], *, is_reference: bool
) -> Row:
    cost = median(sample.cost for sample in taken)
    rate = median(sample.rate for sample in taken)
    return Row(
        measure=measure.name,
        title=measure.title,
        front=front,
        rounds=len(taken),
        cost=cost,
        user=median(sample.user for sample in taken),
        system=median(sample.system for sample in taken),
        cost_ratio=_ratio(median(sample.cost for sample in reference), cost) if reference else None,
        target=None if is_reference else measure.target,
        limit=None if is_reference else measure.limit,
        rate=rate,
        rate_ratio=_ratio(rate, median(sample.rate for sample in reference)) if reference else None,
        p50_us=median(sample.p50 for sample in taken) * 1e6,
        p99_us=median(sample.p99 for sample in taken) * 1e6,
        negotiated=taken[0].negotiated,
    )


def _ratio(better: float, worse: float) -> float | None:
    return better / worse if better and worse else None


_HEAD = (
    f"{'':14}  {'front':12} {'cost':>9} {'user':>8} {'system':>8} {'ratio':>6}  {'target':8} {'':15}"
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
            f" {_fraction(row.cost_ratio):>6}  {_goal(row):8} {row.verdict:15}"
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
