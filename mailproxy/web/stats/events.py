"""The newest events."""

from __future__ import annotations

from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.snapshot import Snapshot
from mailproxy.web.stats.words import moment, section

_KINDS = {"info": "info", "warn": "caution", "error": "bad", "critical": "bad"}


def events(snapshot: Snapshot) -> Markup:
    """Write the section."""
    rows: list[Child] = [
        tag(
            "li",
            moment(one.at),
            " ",
            tag("span", one.level, class_=f"level {_KINDS.get(one.level, 'info')}"),
            " ",
            tag("span", one.words, class_="words"),
            data_key=f"{one.at:.6f}",
        )
        for one in snapshot.events
    ]
    body = tag("ol", rows, class_="log", tabindex=0, aria_label="newest events") if rows else tag("p", "no events yet")
    return section("events", "Newest events", body, note="UTC, without sessions")
