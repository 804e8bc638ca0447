"""The clients with the most connections, or the highest rates, as far as the service counts them."""

from __future__ import annotations

from mailproxy.config.duration import shown_seconds
from mailproxy.control.format import shown
from mailproxy.top.grid import Column, grid
from mailproxy.top.letters import wrapped
from mailproxy.top.sample import Row, number
from mailproxy.top.styled import Style, line
from mailproxy.top.views.view import Facts, Page, View, or_none

MAX_SOURCES = 100
"""The most rows that are asked for."""

_WORDS = {
    "most connections": "connections",
    "most new clients": "rate",
    "most failed handshakes": "failures",
    "most refused logins": "logins",
}


def question(order: str) -> str:
    """Return the question for the clients in an order."""
    return f"show sources by {_WORDS.get(order, 'connections')} limit {MAX_SOURCES}"


def clients(facts: Facts) -> Page:
    """Write the page."""
    sample = facts.model.sample
    asked = question(facts.order)
    if asked in sample.refused:
        words = facts.charset.clean(sample.refused[asked])
        return Page([line(one, "faint") for one in wrapped(words, facts.width)])
    if asked not in sample.rows:
        return Page([line("the service looks at its clients", "faint")])
    nothing = "there are none"
    if asked == question("most connections"):
        nothing = "no source has a connection now; s sorts by new clients, refused ones as well"
    arranged = grid(_COLUMNS, sample.of(asked), facts.width, facts.charset, facts.wanted)
    return Page(or_none([one for _, one in arranged.rows], facts, nothing), arranged.heading)


def _rate(row: Row, key: str) -> str:
    return f"{shown(row.get(key))} in {shown_seconds(number(row, f'{key}_s'))}"


def badness(key: str) -> Column:
    """Make the column of a rate that is bad: failed handshakes, or refused logins."""
    heading = {"handshake_failures": "FAILED HANDSHAKES", "auth_failures": "REFUSED LOGINS"}[key]

    def style(row: Row) -> Style:
        return "bad" if row.get(key) else "faint"

    return Column(heading, lambda row: _rate(row, key), style, is_right=True)


_COLUMNS = (
    Column("CLIENT", lambda row: shown(row.get("source")), least=18),
    Column("CONNECTIONS", lambda row: shown(row.get("connections")), is_right=True),
    Column("NEW", lambda row: _rate(row, "rate"), is_right=True),
    badness("handshake_failures"),
    badness("auth_failures"),
)

VIEW = View("Clients", clients, orders=tuple(_WORDS), question_by_order=question)
