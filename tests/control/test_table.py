"""Rows as tables for people."""

from __future__ import annotations

import pytest

from mailproxy.control.table import COLUMNS, amount, duration, listing, number, shown, table, text
from mailproxy.session.counters import UNSERVED


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
        (50.0, "50"),
        ("a\x1b[2J\n", r"a\x1b[2J\n"),
    ],
)
def test_value_is_one_line_without_controls(value: object, words: str) -> None:
    assert shown(value) == words


def test_columns_are_as_wide_as_they_have_to_be() -> None:
    rows = [{"name": "a", "count": 100}, {"name": "longer", "count": 1}]
    assert list(table((text("name"), number("count")), rows)) == [
        "NAME    COUNT",
        "a         100",
        "longer      1",
    ]


def test_listing_has_a_line_for_each_field() -> None:
    assert list(listing({"pid": 7, "uptime_s": 61.5})) == ["pid       7", "uptime_s  1m1s"]


@pytest.mark.parametrize("name", COLUMNS)
def test_row_of_another_version_is_shown_as_far_as_it_goes(name: str) -> None:
    assert len(list(table(COLUMNS[name], [{}]))) == 2


def test_what_is_wanted_of_a_server_stands_beside_how_it_is() -> None:
    row = {"backend": "b", "server": "s", "state": "down", "admin": "drain", "agent": "ready", "is_backup": True}
    (_, line) = table(COLUMNS["show servers"], [row])
    assert "down, drain, backup" in line


@pytest.mark.parametrize("counter", UNSERVED)
def test_errors_of_a_frontend_are_in_words(counter: str) -> None:
    (errors,) = (column for column in COLUMNS["show frontends"] if column.heading == "ERRORS")
    assert errors.show({counter: 3}) == f"3 {UNSERVED[counter].words}"
