"""The backends with their servers, for each protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mailproxy.control.attention import severity_of
from mailproxy.control.format import shown
from mailproxy.top.grid import Column, grid, has_text
from mailproxy.top.letters import cut
from mailproxy.top.sample import BACKENDS, SERVERS, Row, number
from mailproxy.top.styled import Line, Part, fitted
from mailproxy.top.views.view import Facts, Page, View, or_none
from mailproxy.top.views.words import part, since

_Pool = tuple[str, str]
"""The backend and the protocol."""

_SEVERITY = {"down": 0, "no-address": 0, "maint": 1, "drain": 2, "up": 3}

_ORDERS: Mapping[str, Callable[[Row], Any]] = {
    "worst first": lambda row: _SEVERITY.get(str(row.get("state")), 1),
    "most sessions": lambda row: -number(row, "sessions"),
    "newest change": lambda row: float("inf") if row.get("since_s") is None else number(row, "since_s"),
}


def servers(facts: Facts) -> Page:
    """Write the page: a line for each backend and protocol, and below it one for each of its servers."""
    sample = facts.model.sample
    pools = {_pool(row): row for row in sample.of(BACKENDS)}
    names = {pool: facts.charset.clean(" ".join(pool)) for pool in pools}
    rows = [row for row in sample.of(SERVERS) if _pool(row) in pools]
    whole = {pool for pool, name in names.items() if has_text(facts.wanted, [name])}
    order = _ORDERS.get(facts.order)
    if order is not None:
        rows.sort(key=order)
    arranged = grid(_COLUMNS, rows, facts.width, facts.charset)
    lines: dict[_Pool, list[Line]] = {}
    # Pools are in the order of their first servers.
    for pool in [*map(_pool, rows if order else ()), *pools]:
        lines.setdefault(pool, [])
    for row, line in arranged.rows:
        pool = _pool(row)
        if pool in whole or has_text(facts.wanted, [part.words for part in line]):
            lines[pool].append(line)
    written: list[Line] = []
    for pool, below in lines.items():
        if below or pool in whole:
            written += [_head(pools[pool], names[pool], facts), *below]
    return Page(or_none(written, facts, "there are no backends"), arranged.heading)


def _pool(row: Row) -> _Pool:
    return str(row.get("backend")), str(row.get("protocol"))


def _head(row: Row, name: str, facts: Facts) -> Line:
    charset = facts.charset
    details = [
        f"{number(row, 'active'):g} of {number(row, 'servers'):g} servers",
        f"{number(row, 'sessions'):g} sessions",
        shown(row.get("balance")),
    ]
    if row.get("backup"):
        details.insert(1, f"{number(row, 'backup'):g} backups")
    words = charset.dot + charset.clean(charset.dot.join(details))
    parts = [
        Part(cut(name, 40, charset.more), "title"),
        Part("  "),
        Part(charset.clean(shown(row.get("state"))), severity_of(row.get("state"))),
        Part(words, "faint"),
    ]
    if row.get("queued"):
        parts.insert(3, Part(f"{charset.dot}{number(row, 'queued'):g} queued", "bad"))
    return fitted(parts, facts.width, charset.more)


def state(row: Row) -> str:
    """Return a server's state, and what else an administrator, the agent or the configuration wants."""
    now = shown(row.get("state"))
    wanted = [shown(row[key]) for key in ("admin", "agent") if row.get(key) not in (None, "ready", row.get("state"))]
    return ", ".join([now, *dict.fromkeys(wanted), *(["backup"] if row.get("is_backup") else [])])


def _why(row: Row) -> str:
    """Return why it has this state, or what its last check says."""
    why, result = shown(row.get("why")), shown(row.get("check_says"))
    if why == "-" or why.partition(", after ")[0] == result.partition(", after ")[0]:
        return result
    return why if result == "-" else f"{why}; check: {result}"


def _weight(row: Row) -> str:
    now, share = part(row, "weight", "configured_weight"), number(row, "share")
    is_slow = row.get("state") == "up" and 0 < share < number(row, "weight")
    return f"{now} ({share:.0f})" if is_slow else now


_COLUMNS = (
    Column("SERVER", lambda row: f"  {shown(row.get('server'))}", least=10),
    Column("STATE", state, lambda row: severity_of(row.get("state")), least=10),
    Column("SINCE", lambda row: since(row, "since_s"), is_right=True),
    Column("SESSIONS", lambda row: part(row, "sessions", "maxconn"), is_right=True),
    Column("WEIGHT", _weight, is_right=True, rank=2),
    Column("CHECK", lambda row: f"{shown(row.get('check'))} {row.get('check_counts') or ''}".rstrip(), rank=3),
    Column("CHECKED", lambda row: since(row, "checked_s"), is_right=True, rank=4),
    Column("FAILED", lambda row: shown(row.get("check_failures")), is_right=True, rank=5),
    Column("WHY", _why, least=20),
    Column("ADDRESS", lambda row: shown(row.get("address")), rank=6),
)

VIEW = View("Servers", servers, questions=(BACKENDS, SERVERS), orders=("as configured", *_ORDERS))
