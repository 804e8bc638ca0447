"""A rate in one word."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.sources.window import COUNT_BITS, MAX_COUNT, counted, counts, estimated, windows_until

GAPS = st.lists(st.floats(0.0, 3.0), max_size=60)
BEGINNINGS = st.floats(0.0, 1e7)


def word_of(times: Sequence[float]) -> int:
    """Count events at these times, in windows."""
    word = 0
    for time in times:
        word = counted(word, time)
    return word


def test_events_of_one_window_add_up() -> None:
    assert estimated(word_of([10.0, 10.3, 10.9]), 10.95) == 3


def test_former_window_counts_as_far_as_it_reaches() -> None:
    word = word_of([10.1] * 100)
    assert [round(estimated(word, time)) for time in (11.0, 11.25, 11.5, 11.75)] == [100, 75, 50, 25]


def test_nothing_is_left_after_two_windows() -> None:
    assert estimated(word_of([10.1] * 100), 12.0) == 0


def test_word_of_long_ago_begins_again() -> None:
    assert estimated(counted(word_of([10.1] * 100), 20.0), 20.0) == 1


def test_count_has_an_end() -> None:
    full = word_of([5.0]) - 1 + MAX_COUNT
    assert estimated(counted(full, 5.5), 5.5) == MAX_COUNT


def test_word_fits_into_signed_memory() -> None:
    assert max(word_of([time] * 3) for time in (8388607.5, 1e9, 1e12)) < 1 << 63


@given(BEGINNINGS, GAPS, st.floats(0.0, 3.0))
def test_estimate_is_between_the_events_of_one_window_and_of_two(first: float, gaps: list[float], later: float) -> None:
    times = list(accumulate(gaps, initial=first))
    now = times[-1] + later
    estimate = estimated(word_of(times), now)
    of_window = sum(int(time) == int(now) for time in times)
    of_two = sum(int(time) >= int(now) - 1 for time in times)
    assert of_window <= estimate <= of_two


@given(BEGINNINGS, st.integers(1, 50), st.floats(0.0, 1.9))
def test_steady_rate_is_estimated_well(first: float, rate: int, later: float) -> None:
    """With as many events in each window, the estimate is never off by more than one event."""
    times = [first + step / rate for step in range(4 * rate)]
    times = [time for time in times if time <= first + 2 + later]
    assert abs(estimated(word_of(times), times[-1]) - rate) <= 1.01


@given(st.floats(100.0, 1e6), GAPS, st.integers(1, 20))
def test_wait_is_as_long_as_needed_and_no_longer(first: float, gaps: list[float], limit: int) -> None:
    word = word_of([first, *accumulate(gaps, initial=first)])
    now = first + sum(gaps)
    wait = windows_until(*counts(word, now), limit, now)
    assert estimated(word, now + wait + 1e-6) < limit
    if wait > 1e-6:
        assert estimated(word, now + wait - 1e-6) >= limit - 1e-3


@pytest.mark.parametrize("count", [1, 100])
def test_nobody_waits_below_the_limit(count: int) -> None:
    assert windows_until(*counts(word_of([7.0] * count), 7.5), count + 1, 7.5) == 0


@given(BEGINNINGS, GAPS, st.floats(0.0, 3.0))
def test_both_counts_of_a_word_are_the_most_that_is_estimated(first: float, gaps: list[float], later: float) -> None:
    times = list(accumulate(gaps, initial=first))
    word = word_of(times)
    assert estimated(word, times[-1] + later) <= (word & MAX_COUNT) + (word >> COUNT_BITS & MAX_COUNT)
