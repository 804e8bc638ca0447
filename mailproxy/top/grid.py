"""Rows as aligned columns that fit the terminal: less important columns leave first, long words are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from mailproxy.top.letters import Charset, cut, padded, width_of
from mailproxy.top.sample import Row
from mailproxy.top.styled import Line, Part, Style

_GAP = 2


def _plain(row: Row) -> Style:
    return "plain"


@frozen
class Column:
    """One column of a grid."""

    heading: str
    show: Callable[[Row], object]
    style: Callable[[Row], Style] = _plain
    is_right: bool = False
    rank: int = 0
    """Columns with the highest rank leave first when the terminal is narrow; those with 0 stay."""
    least: int = 0
    """The least width of a column that may be cut; 0: it is never cut."""


@frozen
class Grid:
    """Aligned lines."""

    heading: Line
    rows: Sequence[tuple[Row, Line]]
    """Those that match the filter, with their lines."""


def grid(columns: Sequence[Column], rows: Iterable[Row], width: int, charset: Charset, wanted: str = "") -> Grid:
    """Arrange rows in columns; `wanted` is a text that one of the cells has to contain."""
    found = [(row, [charset.clean(column.show(row)) for column in columns]) for row in rows]
    found = [(row, cells) for row, cells in found if has_text(wanted, cells)]
    natural = [
        max([width_of(column.heading), *(width_of(cells[place]) for _, cells in found)])
        for place, column in enumerate(columns)
    ]
    shown, widths = _fit(columns, natural, width)

    def arrange(row: Row, cells: Sequence[str], style: Style | None = None) -> Line:
        parts = []
        for place, wide in zip(shown, widths, strict=True):
            column = columns[place]
            cell = padded(cut(cells[place], wide, charset.more), wide, is_right=column.is_right)
            gap = "" if place == shown[-1] else " " * _GAP
            parts.append(Part(cell, style or column.style(row)))
            parts.append(Part(gap, style or "plain"))
        return tuple(parts)

    heading = arrange({}, [column.heading for column in columns], "heading")
    return Grid(heading, [(row, arrange(row, cells)) for row, cells in found])


def has_text(wanted: str, cells: Iterable[str]) -> bool:
    """Return whether one of the cells contains a text; case does not matter."""
    sought = wanted.casefold()
    return not sought or any(sought in cell.casefold() for cell in cells)


def _fit(columns: Sequence[Column], natural: Sequence[int], width: int) -> tuple[list[int], list[int]]:
    """Return the places of the columns that have room, and their widths."""
    shown = list(range(len(columns)))
    least = [min(wide, column.least or wide) for column, wide in zip(columns, natural, strict=True)]

    def room() -> int:
        return width - _GAP * (len(shown) - 1) - sum(least[place] for place in shown)

    while room() < 0 and any(columns[place].rank for place in shown):
        shown.remove(max(shown, key=lambda place: (columns[place].rank, place)))
    widths = [least[place] for place in shown]
    left = max(room(), 0)
    for index, place in enumerate(shown):
        more = min(natural[place] - widths[index], left)
        widths[index] += more
        left -= more
    return shown, widths
