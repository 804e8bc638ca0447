"""Formats the rows of an answer as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from mailproxy.config.duration import shown_seconds
from mailproxy.control.format import amount, duration, shown
from mailproxy.session.counters import UNSERVED

Row = Mapping[str, Any]


@frozen
class Column:
    """One column: its heading, and the function that formats its cell of a row."""

    heading: str
    show: Callable[[Row], str]
    is_right: bool = False


def text(key: str, heading: str = "") -> Column:
    """Make a column that shows a field as text."""
    return Column(heading or key.upper().replace("_", " "), lambda row: shown(row.get(key)))


def number(key: str, heading: str = "") -> Column:
    """Make a column for a number."""
    return Column(heading or key.upper().replace("_", " "), lambda row: shown(row.get(key)), is_right=True)


def span(key: str, heading: str) -> Column:
    """Make a column for seconds before now."""
    return Column(heading, lambda row: duration(row.get(key)), is_right=True)


def size(key: str, heading: str) -> Column:
    """Make a column for a number of bytes."""
    return Column(heading, lambda row: amount(row.get(key) or 0), is_right=True)


def _errors(row: Row) -> str:
    return ", ".join(f"{row[name]} {one.words}" for name, one in UNSERVED.items() if row.get(name)) or "-"


def _check(row: Row) -> str:
    return f"{row.get('check')} {row.get('check_counts') or ''}".strip()


def _server(row: Row) -> str:
    return shown(row.get("backend")) + (f"/{shown(row['server'])}" if row.get("server") else "")


def _state(row: Row) -> str:
    state = shown(row.get("state"))
    wanted = [shown(row[key]) for key in ("admin", "agent") if row.get(key) not in (None, "ready", row.get("state"))]
    return ", ".join([state, *dict.fromkeys(wanted), *(["backup"] if row.get("is_backup") else [])])


def _limit(now: str, most: str) -> Callable[[Row], str]:
    return lambda row: shown(row.get(now)) + (f"/{shown(row[most])}" if row.get(most) else "")


def _rate(key: str) -> Callable[[Row], str]:
    return lambda row: f"{shown(row.get(key))}/{shown_seconds(row.get(f'{key}_s') or 0)}"


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "show frontends": (
        text("frontend"),
        text("state"),
        text("protocol"),
        text("tls"),
        text("listens"),
        text("backend"),
        Column("CLIENTS", _limit("current", "maxconn"), is_right=True),
        number("connections"),
        number("sessions"),
        size("bytes_in", "IN"),
        size("bytes_out", "OUT"),
        Column("ERRORS", _errors),
    ),
    "show backends": (
        text("backend"),
        text("protocol"),
        text("state"),
        text("balance"),
        number("servers"),
        number("active"),
        number("backup"),
        number("sessions"),
        number("queued"),
    ),
    "show servers": (
        Column("SERVER", _server),
        text("protocol"),
        text("address"),
        Column("STATE", _state),
        span("since_s", "SINCE"),
        Column("CHECK", _check),
        span("checked_s", "CHECKED"),
        Column("WEIGHT", _limit("weight", "configured_weight"), is_right=True),
        Column("SESSIONS", _limit("sessions", "maxconn"), is_right=True),
        text("why"),
        text("check_says", "CHECK SAYS"),
    ),
    "show sessions": (
        text("id"),
        text("frontend"),
        text("client"),
        text("stage"),
        span("age_s", "AGE"),
        span("idle_s", "IDLE"),
        text("tls"),
        text("sni"),
        text("cn"),
        Column("SERVER", _server),
        text("rule"),
        text("label"),
        size("bytes_in", "IN"),
        size("bytes_out", "OUT"),
    ),
    "show rules": (
        text("frontend"),
        text("rule"),
        number("clients"),
        text("condition", "IF"),
        text("does"),
    ),
    "show sources": (
        text("source"),
        number("connections"),
        Column("RATE", _rate("rate"), is_right=True),
        Column("HANDSHAKE FAILURES", _rate("handshake_failures"), is_right=True),
        Column("REFUSED LOGINS", _rate("auth_failures"), is_right=True),
    ),
    "show bans": (
        text("network"),
        text("origin"),
        span("since_s", "SINCE"),
        span("left_s", "LEFT"),
        text("reason"),
    ),
    "show certificates": (
        text("profile"),
        text("names"),
        text("key"),
        number("days_left", "DAYS LEFT"),
        text("not_after", "UNTIL"),
        text("path"),
        span("refused_s", "REFUSED FOR"),
        text("refused", "WHY"),
    ),
    "check now": (
        Column("SERVER", _server),
        text("protocol"),
        Column("RESULT", lambda row: "passed" if row.get("ok") else "failed"),
        Column("TOOK", lambda row: f"{row.get('took_s', 0) * 1000:.0f}ms", is_right=True),
        text("says"),
    ),
}
"""By command."""


def table(columns: tuple[Column, ...], rows: Iterable[Row]) -> Iterator[str]:
    """Yield a line of headings and one line per row, with aligned columns."""
    cells = [[column.heading for column in columns], *([column.show(row) for column in columns] for row in rows)]
    widths = [max(map(len, each)) for each in zip(*cells, strict=True)]
    for line in cells:
        padded = (
            cell.rjust(width) if column.is_right else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def listing(row: Row) -> Iterator[str]:
    """Yield a line for each field of one row."""
    width = max(map(len, row), default=0)
    for key, value in row.items():
        yield f"{key:{width}}  {duration(value) if key.endswith('_s') else shown(value)}"
