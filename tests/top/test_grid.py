"""Aligned columns in narrow and wide terminals."""

from __future__ import annotations

import pytest

from mailproxy.top.grid import Column, grid
from mailproxy.top.letters import UNICODE
from mailproxy.top.sample import Row
from mailproxy.top.styled import plain

COLUMNS = (
    Column("NAME", lambda row: row.get("name"), least=4),
    Column("N", lambda row: row.get("n"), is_right=True),
    Column("LESS", lambda row: "less", rank=1),
    Column("LEAST", lambda row: "least", rank=2),
)
ROWS: list[Row] = [{"name": "short", "n": 5}, {"name": "a longer name", "n": 10}]


def lines(width: int, wanted: str = "") -> list[str]:
    made = grid(COLUMNS, ROWS, width, UNICODE, wanted)
    return [plain(made.heading), *(plain(line) for _, line in made.rows)]


def test_columns_are_aligned() -> None:
    assert lines(80) == [
        "NAME            N  LESS  LEAST",
        "short           5  less  least",
        "a longer name  10  less  least",
    ]


@pytest.mark.parametrize(
    ("width", "heading"),
    [(29, "NAME           N  LESS  LEAST"), (20, "NAME         N  LESS"), (12, "NAME       N")],
)
def test_less_important_columns_leave_first(width: int, heading: str) -> None:
    assert lines(width)[0] == heading


def test_long_cells_are_cut() -> None:
    assert lines(8)[2] == "a l…  10"


def test_filter_finds_text_in_any_cell() -> None:
    assert len(lines(80, "LONG")) == 2
    assert len(lines(80, "least")) == 3
    assert len(lines(80, "absent")) == 1


def test_control_characters_do_not_reach_a_cell() -> None:
    made = grid(COLUMNS, [{"name": "\x1b]0;x\x07", "n": "\n"}], 80, UNICODE)
    assert plain(made.rows[0][1]).isprintable()
