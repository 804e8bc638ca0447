"""Rates."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.config.kind import WrongValue
from mailproxy.config.rate import LONGEST_SECONDS, MAX_COUNT, RATE, Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [("30/1m", Rate(30, 60.0)), ("500/1s", Rate(500, 1.0)), ("0/1d", Rate(0, 86400.0)), ("10/1500ms", Rate(10, 1.5))],
)
def test_rate_is_a_number_and_a_time(text: str, rate: Rate) -> None:
    assert RATE.read(text) == rate


@given(st.integers(0, MAX_COUNT), st.integers(1, int(LONGEST_SECONDS)))
def test_rate_is_written_as_it_is_read(count: int, seconds: int) -> None:
    rate = Rate(count, float(seconds))
    assert RATE.read(str(rate)) == rate
    assert re.search(RATE.schema["pattern"], str(rate))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("30", 'is "30", needs a rate such as "30/1m": a number, and the time in which it is counted'),
        ("30/m", 'is "30/m", needs a rate such as'),
        ("30/60", 'is "30/60", whose time is "60" without a unit; is it "60s" or "60ms"?'),
        ("30/1y", 'is "30/1y", whose time is "1y", whose unit is unknown; units are ms, s, m, h, d'),
        ("-1/1m", 'is "-1/1m", needs a rate such as'),
        ("2000000000/1m", 'is "2000000000/1m"; the most is 1000000 in a time'),
        ("30/500ms", 'is "30/500ms"; the time is from "1s" to "24h"'),
        ("30/2d", 'is "30/2d"; the time is from "1s" to "24h"'),
    ],
)
def test_text_that_is_no_rate_is_refused(text: str, problem: str) -> None:
    with pytest.raises(WrongValue) as caught:
        RATE.read(text)
    assert str(caught.value).startswith(problem)
