"""The newest events of the service: all of its log but sessions, since this program has begun."""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.control.format import shown
from mailproxy.top.grid import has_text
from mailproxy.top.letters import wrapped
from mailproxy.top.sample import Row
from mailproxy.top.styled import Line, Part, Style
from mailproxy.top.views.view import Facts, Page, View, or_none
from mailproxy.top.views.words import moment

_STYLES: dict[str, Style] = {"warn": "caution", "error": "bad", "critical": "bad"}

_INDENT = 16


def events(facts: Facts) -> Page:
    """Write the page."""
    rows = facts.model.events
    if facts.order == "oldest first":
        rows = rows[::-1]
    return Page(or_none(lines_of(facts, rows), facts, "no event since mailproxy top began"))


def lines_of(facts: Facts, rows: Sequence[Row]) -> list[Line]:
    """Return the lines of events; a long one takes several."""
    found: list[Line] = []
    for row in rows:
        style = _STYLES.get(str(row.get("level")), "plain")
        words = facts.charset.clean(shown(row.get("message")))
        time, level = facts.charset.clean(moment(row.get("time"))), facts.charset.clean(shown(row.get("level")))
        if has_text(facts.wanted, [words, time, level]):
            head, *rest = wrapped(words, max(facts.width - _INDENT, 20))
            found.append((Part(f"{time:8}  ", "faint"), Part(f"{level[:5]:5} ", style), Part(head)))
            found += [(Part(" " * _INDENT + more),) for more in rest]
    return found


VIEW = View("Events", events, orders=("newest first", "oldest first"))
