"""The frontends: what clients connect to, and how that goes."""

from __future__ import annotations

from mailproxy.control.status import FrontendStatus
from mailproxy.session.counters import UNSERVED
from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.snapshot import Snapshot
from mailproxy.web.stats.words import NOTHING, bar, cell, heads, section, size, state, whole

MAX_ROWS = 200
"""The most rows; `mailproxy ctl show frontends` has all."""


def frontends(snapshot: Snapshot) -> Markup:
    """Write the section."""
    rows = [_row(one) for one in snapshot.frontends[:MAX_ROWS]]
    more = len(snapshot.frontends) - len(rows)
    head = heads(
        "Frontend", "State", "Listens on", "Backend", "#Clients", "#Connections", "#Sessions", "Errors", "#In", "#Out"
    )
    return section(
        "frontends",
        "Frontends",
        tag("table", head, tag("tbody", rows), class_="wide frontends"),
        tag("p", f"and {more} more: mailproxy ctl show frontends", class_="note") if more else None,
        note="numbers since the start",
    )


def _row(one: FrontendStatus) -> Markup:
    places: Child = [tag("span", address, class_="place") for address in one.listens] or NOTHING
    tls = {"implicit": "TLS", "starttls": "STARTTLS", "starttls-optional": "STARTTLS, optional", "none": "without TLS"}
    return tag(
        "tr",
        tag(
            "th",
            tag("span", one.frontend, class_="name"),
            tag("small", f"{one.protocol}, {tls.get(one.tls, one.tls)}"),
            scope="row",
        ),
        cell("State", state(one.state)),
        cell("Listens on", places, class_="words"),
        cell("Backend", one.backend),
        cell(
            "Clients",
            tag("span", whole(one.current), " ", tag("small", f"of {whole(one.maxconn)}")),
            bar(one.current, one.maxconn),
            class_="num",
        ),
        cell("Connections", whole(one.connections), class_="num"),
        cell("Sessions", whole(one.sessions), class_="num"),
        cell("Errors", _errors(one)),
        cell("In", size(one.bytes_in), class_="num"),
        cell("Out", size(one.bytes_out), class_="num"),
        data_key=one.frontend,
    )


def _errors(one: FrontendStatus) -> Child:
    found = [(getattr(one, name), each.words) for name, each in UNSERVED.items() if getattr(one, name)]
    if not found:
        return NOTHING
    return tag("ul", [tag("li", tag("b", whole(count)), f" {words}") for count, words in found], class_="counts")
