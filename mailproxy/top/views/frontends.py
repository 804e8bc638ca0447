"""Each frontend: state, clients, rates, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mailproxy.control.attention import severity_of
from mailproxy.control.format import shown
from mailproxy.session.counters import ERRORS, REFUSALS, UNSERVED
from mailproxy.top.grid import Column, Grid, grid
from mailproxy.top.rates import Rates
from mailproxy.top.sample import FRONTENDS, Row, number
from mailproxy.top.styled import Style
from mailproxy.top.views.view import Facts, Page, View, or_none
from mailproxy.top.views.words import part, rate, speed

_Key = Callable[[Row], Any]


def frontends(facts: Facts) -> Page:
    """Write the page."""
    arranged = arrange(facts)
    return Page(or_none([line for _, line in arranged.rows], facts, "there are no frontends"), arranged.heading)


def arrange(facts: Facts, *, with_sums: bool = True) -> Grid:
    """Arrange the frontends in columns; `with_sums`: with what was counted since the start."""
    rates = facts.model.rates
    rows = list(facts.model.sample.of(FRONTENDS))
    if facts.order in _orders(rates):
        rows.sort(key=_orders(rates)[facts.order])
    columns = [
        Column("FRONTEND", lambda row: shown(row.get("frontend")), least=8),
        Column("STATE", lambda row: shown(row.get("state")), lambda row: severity_of(row.get("state"))),
        Column("PROTOCOL", lambda row: shown(row.get("protocol")), rank=4),
        Column("CLIENTS", lambda row: part(row, "current", "maxconn"), _fullness, is_right=True),
        Column("NEW/s", lambda row: rate(rates.of(row.get("frontend"), "connections")), is_right=True),
        Column("IN/s", lambda row: speed(rates.of(row.get("frontend"), "bytes_in")), is_right=True),
        Column("OUT/s", lambda row: speed(rates.of(row.get("frontend"), "bytes_out")), is_right=True),
        Column("REFUSED/s", lambda row: rate(rates.of(row.get("frontend"), *REFUSALS)), is_right=True, rank=2),
        Column(
            "ERRORS/s",
            lambda row: rate(rates.of(row.get("frontend"), *ERRORS)),
            lambda row: "bad" if rates.of(row.get("frontend"), *ERRORS) else "plain",
            is_right=True,
        ),
    ]
    if with_sums:
        columns += [
            Column("BACKEND", lambda row: shown(row.get("backend")), rank=6, least=8),
            Column("LISTENS", lambda row: shown(row.get("listens")), rank=7, least=12),
            Column("CONNECTIONS", lambda row: shown(row.get("connections")), is_right=True, rank=5),
            Column("ERRORS SINCE THE START", _sums, rank=3, least=16),
        ]
    return grid(columns, rows, facts.width, facts.charset, facts.wanted)


def _fullness(row: Row) -> Style:
    most = number(row, "maxconn")
    return "bad" if 0 < most <= number(row, "current") else "plain"


def _sums(row: Row) -> str:
    return ", ".join(f"{row[name]} {one.words}" for name, one in UNSERVED.items() if row.get(name)) or "-"


def _orders(rates: Rates) -> Mapping[str, _Key]:
    return {
        "most clients": lambda row: -number(row, "current"),
        "most new clients": lambda row: -(rates.of(row.get("frontend"), "connections") or 0),
        "most errors": lambda row: -(rates.of(row.get("frontend"), *ERRORS, *REFUSALS) or 0),
        "by name": lambda row: str(row.get("frontend")),
    }


VIEW = View("Frontends", frontends, orders=("as configured", *_orders(Rates())))
