"""Counted durations as the buckets of a histogram."""

from __future__ import annotations

from functools import cache

from mailproxy.counting.layout import Durations
from mailproxy.metrics.definition import Family


def add_durations(family: Family, durations: Durations, *labels: str) -> None:
    """Add the durations of one thing to a histogram."""
    family.add_histogram(_as_text(durations.bounds), durations.counts, durations.total_seconds, *labels)


@cache
def _as_text(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Return bounds as the values of the label ``le``."""
    return (*map(repr, map(float, bounds)), "+Inf")
