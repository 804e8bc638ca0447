"""A rate in two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.sources.window import MAX_COUNT, WINDOWS, Window, count, counts, estimated, windows_until

GAPS = st.lists(st.floats(0.0, 3.0), max_size=60)
BEGINNINGS = st.floats(0.0, 1e7)


def rate_of(times: Sequence[float], before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Count events at these times, in windows; return both numbers of the rate."""
    numbers = memoryview(bytearray(8)).cast("I")
    numbers[0], numbers[1] = before
    for time in times:
        count(numbers, 0, time)
    return numbers[0], numbers[1]


def test_events_of_one_window_add_up() -> None:
    assert estimated(*rate_of([10.0, 10.3, 10.9]), 10.95) == 3


def test_former_window_counts_as_far_as_it_reaches() -> None:
    rate = rate_of([10.1] * 100)
    assert [round(estimated(*rate, time)) for time in (11.0, 11.25, 11.5, 11.75)] == [100, 75, 50, 25]


def test_nothing_is_left_after_two_windows() -> None:
    assert estimated(*rate_of([10.1] * 100), 12.0) == 0


@pytest.mark.parametrize("windows", [2, 1023, 1024, 1025, WINDOWS - 1])
def test_rate_of_long_ago_begins_again(windows: int) -> None:
    rate = rate_of([10.1] * 100)
    assert estimated(*rate, 10.5 + windows) == 0
    assert estimated(*rate_of([10.5 + windows], rate), 10.5 + windows) == 1


def test_count_has_an_end() -> None:
    current, previous = rate_of([5.0])
    assert counts(*rate_of([5.5, 5.5], (current + MAX_COUNT - 2, previous)), 5.5) == (0, MAX_COUNT)


@pytest.mark.parametrize("time", [WINDOWS - 0.5, 8388607.5, 1e9, 1e12])
def test_numbers_have_30_bits(time: float) -> None:
    assert max(rate_of([time] * 3 + [time + 1.0] * 2)) < 1 << 30


@pytest.mark.parametrize("first", [10.0, 1023.0, WINDOWS - 1.0])
def test_window_that_follows_knows_the_one_before(first: float) -> None:
    assert counts(*rate_of([first] * 3 + [first + 1.0] * 2), first + 1.5) == (3, 2)


@pytest.mark.parametrize("ended", [10, 1022])
def test_reader_in_the_middle_of_a_write_lacks_the_newest_event(ended: int) -> None:
    before, after = rate_of([ended + 0.5] * 3), rate_of([ended + 0.5] * 3 + [ended + 1.1])
    assert counts(before[0], after[1], ended + 1.1) == (3, 0)


def test_reader_in_the_middle_of_a_write_sees_nothing_after_each_1024th_window() -> None:
    before, after = rate_of([1023.5] * 3), rate_of([1023.5] * 3 + [1024.1])
    assert counts(before[0], after[1], 1024.1) == (0, 0)


@given(BEGINNINGS, GAPS, st.floats(0.5, 3600.0), st.sampled_from([0.0, 350_000.0, 700_000.0]))
def test_marks_leave_the_counts_of_the_current_window(
    first: float, gaps: list[float], seconds: float, shift: float
) -> None:
    rate, window = (0, 0), Window(seconds, shift)
    for now in accumulate((gap * seconds for gap in gaps), initial=first):
        window.move(now)
        assert window.end - seconds - 1e-3 <= now <= window.end + 1e-3
        current, previous = window.moved(*rate)
        assert (previous ^ window.high, current ^ window.low) == counts(*rate, window.time(now))
        rate = rate_of([window.time(now)], rate)
        assert rate == (current + 1, previous)


@given(st.integers(0, WINDOWS), st.integers(1, WINDOWS - 1))
def test_marks_leave_more_than_a_count_of_other_windows(number: int, later: int) -> None:
    (current, previous), window = rate_of([number + 0.5]), Window(1.0)
    window.move(number + later + 0.5)
    assert (current ^ window.low) + (previous ^ window.high) > MAX_COUNT


@given(BEGINNINGS, GAPS, st.floats(0.0, 3.0))
def test_estimate_is_between_the_events_of_one_window_and_of_two(first: float, gaps: list[float], later: float) -> None:
    times = list(accumulate(gaps, initial=first))
    now = times[-1] + later
    estimate = estimated(*rate_of(times), now)
    of_window = sum(int(time) == int(now) for time in times)
    of_two = sum(int(time) >= int(now) - 1 for time in times)
    assert of_window <= estimate <= of_two


@given(BEGINNINGS, st.integers(1, 50), st.floats(0.0, 1.9))
def test_steady_rate_is_estimated_well(first: float, rate: int, later: float) -> None:
    """With as many events in each window, the estimate is never off by more than one event."""
    times = [first + step / rate for step in range(4 * rate)]
    times = [time for time in times if time <= first + 2 + later]
    assert abs(estimated(*rate_of(times), times[-1]) - rate) <= 1.01


@given(st.floats(100.0, 1e6), GAPS, st.integers(1, 20))
def test_wait_is_as_long_as_needed_and_no_longer(first: float, gaps: list[float], limit: int) -> None:
    rate = rate_of([first, *accumulate(gaps, initial=first)])
    now = first + sum(gaps)
    wait = windows_until(*counts(*rate, now), limit, now)
    assert estimated(*rate, now + wait + 1e-6) < limit
    if wait > 1e-6:
        assert estimated(*rate, now + wait - 1e-6) >= limit - 1e-3


@pytest.mark.parametrize("events", [1, 100])
def test_nobody_waits_below_the_limit(events: int) -> None:
    assert windows_until(*counts(*rate_of([7.0] * events), 7.5), events + 1, 7.5) == 0


@given(BEGINNINGS, GAPS, st.floats(0.0, 3.0))
def test_both_counts_of_a_rate_are_the_most_that_is_estimated(first: float, gaps: list[float], later: float) -> None:
    times = list(accumulate(gaps, initial=first))
    current, previous = rate_of(times)
    assert estimated(current, previous, times[-1] + later) <= (current & MAX_COUNT) + (previous & MAX_COUNT)
