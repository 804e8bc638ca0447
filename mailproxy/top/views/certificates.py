"""The certificates: those that are refused, then those that expire first."""

from __future__ import annotations

from mailproxy.control.attention import Severity, expiry_of, urgency
from mailproxy.control.format import shown
from mailproxy.top.grid import Column, grid
from mailproxy.top.sample import CERTIFICATES, Row
from mailproxy.top.views.view import Facts, Page, View, or_none


def certificates(facts: Facts) -> Page:
    """Write the page."""
    rows = sorted(facts.model.sample.of(CERTIFICATES), key=_by_name if facts.order == "by name" else urgency)
    arranged = grid(_COLUMNS, rows, facts.width, facts.charset, facts.wanted)
    return Page(or_none([line for _, line in arranged.rows], facts, "no TLS profile has any"), arranged.heading)


def _by_name(row: Row) -> str:
    return _names(row)


def _names(row: Row) -> str:
    return shown(row.get("names"))


def _style(row: Row) -> Severity:
    return "bad" if row.get("refused") else expiry_of(row)


_COLUMNS = (
    Column("NAMES", _names, least=20),
    Column("DAYS LEFT", lambda row: shown(row.get("days_left")), _style, is_right=True),
    Column("UNTIL", lambda row: shown(row.get("not_after")), rank=2),
    Column("KEY", lambda row: shown(row.get("key")), rank=4),
    Column("PROFILE", lambda row: shown(row.get("profile")), rank=3),
    Column("REFUSED", lambda row: shown(row.get("refused")), lambda row: "bad", least=10),
    Column("FILE", lambda row: shown(row.get("path")), rank=5, least=16),
)

VIEW = View("Certificates", certificates, questions=(CERTIFICATES,), orders=("first to expire", "by name"))
