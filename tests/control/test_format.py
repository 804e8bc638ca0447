"""Values for people."""

import pytest

from mailproxy.control.format import amount, duration, shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.9, "59s"), (60, "1m0s"), (3661, "1h1m"), (90000, "1d1h"), (None, "-")],
)
def test_duration_has_two_units(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("bytes", "words"), [(0, "0"), (1023, "1023"), (1024, "1.0K"), (20480, "20K"), (3 << 30, "3.0G"), (5 << 40, "5.0T")]
)
def test_amount_is_short(bytes: int, words: str) -> None:
    assert amount(bytes) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "yes"),
        (["a", "b"], "a, b"),
        ({}, "-"),
        ({"ctl": 1, "fail2ban": 12}, "ctl 1, fail2ban 12"),
        (50.0, "50"),
        ("a\x1b[2J\n", r"a\x1b[2J\n"),
    ],
)
def test_value_is_one_line_without_controls(value: object, words: str) -> None:
    assert shown(value) == words
