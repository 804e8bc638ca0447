"""The numbers in a block, by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.counting.block import Block
from mailproxy.counting.layout import Durations, Layout


def test_totals_have_every_number_by_name() -> None:
    layout = Layout()
    one = layout.number("one")
    colours = layout.table("colours", ["red", "blue"])
    numbers = Block.alone(layout.length).numbers
    numbers[one] += 1
    numbers[colours["blue"]] += 2
    totals = layout.totals(numbers)
    assert (totals.numbers, totals.tables) == ({"one": 1}, {"colours": {"red": 0, "blue": 2}})


def test_durations_are_in_buckets() -> None:
    layout = Layout()
    layout.number("before")
    histogram = layout.histogram("waits", [0.1, 1.0])
    layout.number("after")
    numbers = Block.alone(layout.length).numbers
    for seconds in (0.0, 0.1, 0.5, 1.0, 1.5, 3600.0):
        histogram.count(numbers, seconds)
    assert layout.totals(numbers).histograms == {"waits": Durations((0.1, 1.0), (2, 2, 2), 3603.1)}
    assert (numbers[0], numbers[layout.length - 1]) == (0, 0)


@given(st.lists(st.one_of(st.sampled_from([0.0, 0.125, 1.0, 8.0]), st.floats(0.0, 16.0))))
def test_durations_counted_together_are_in_the_same_buckets(durations: list[float]) -> None:
    layout = Layout()
    histogram = layout.histogram("waits", [0.125, 1.0, 8.0])
    one_by_one, together = (Block.alone(layout.length).numbers for _ in range(2))
    for seconds in durations:
        histogram.count(one_by_one, seconds)
    histogram.count_all(together, list(durations))
    counted, expected = (histogram.durations(numbers) for numbers in (together, one_by_one))
    assert counted.counts == expected.counts
    assert counted.total_seconds == pytest.approx(expected.total_seconds, abs=1e-6 * len(durations))


def test_sum_of_durations_never_goes_back() -> None:
    layout = Layout()
    histogram = layout.histogram("waits", [0.1])
    numbers = Block.alone(layout.length).numbers
    histogram.count(numbers, 0.05)
    histogram.count(numbers, -0.01)
    assert layout.totals(numbers).histograms == {"waits": Durations((0.1,), (2, 0), 0.05)}


def test_sums_are_of_all_processes() -> None:
    own, other = Block.alone(2), Block.alone(2)
    own.numbers[0], other.numbers[0], other.numbers[1] = 1, 2, 5
    assert Block(own.numbers, (own.numbers, other.numbers)).sums() == [3, 5]
