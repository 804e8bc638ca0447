"""Rows as tables for people."""

from __future__ import annotations

import pytest

from mailproxy.control.table import COLUMNS, listing, number, table, text
from mailproxy.session.counters import UNSERVED


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
