"""How fast the runs of all checks may begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.checks.pace import BURST, GAP_SECONDS, LONGEST_WAIT_SECONDS, Pace

_ROUNDING = 1e-9


def test_many_that_are_due_at_once_begin_one_after_the_other() -> None:
    pace = Pace()
    waits = [pace.wait(100.0) for _ in range(BURST + 2)]
    assert waits == pytest.approx([0.0] * BURST + [GAP_SECONDS, 2 * GAP_SECONDS], abs=1e-9)


def test_few_that_are_due_begin_at_once() -> None:
    pace = Pace()
    assert [pace.wait(100.0 + number * GAP_SECONDS) for number in range(50)] == pytest.approx([0.0] * 50)


def test_clock_that_is_set_back_stops_nobody() -> None:
    pace = Pace()
    pace.wait(3600.0)
    assert pace.wait(0.0) == 0.0


@given(st.lists(st.floats(0, 0.01), max_size=100))
def test_nobody_waits_longer_than_all_before_take(pauses: list[float]) -> None:
    pace, now = Pace(), 0.0
    for number, pause in enumerate(pauses):
        now += pause
        assert 0.0 <= pace.wait(now) <= number * GAP_SECONDS + _ROUNDING < LONGEST_WAIT_SECONDS
