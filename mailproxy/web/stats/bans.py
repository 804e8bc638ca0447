"""The bans by what has made them, and how many clients they have refused."""

from __future__ import annotations

from mailproxy.web.stats.markup import Markup, tag
from mailproxy.web.stats.snapshot import Snapshot
from mailproxy.web.stats.words import cell, heads, section, some, whole


def bans(snapshot: Snapshot) -> Markup:
    """Write the section."""
    info = snapshot.info
    counts = [*sorted(info.bans_by.items(), key=lambda one: -one[1])]
    if info.bans_listed:
        counts.append(("lists", info.bans_listed))
    rows = [
        tag("tr", tag("th", origin, scope="row"), cell("Networks", whole(count), class_="num"), data_key=origin)
        for origin, count in counts
    ]
    body = tag("table", heads("Banned by", "#Networks"), tag("tbody", rows)) if rows else tag("p", "nobody is banned")
    return section("bans", "Bans", body, note=f"{some(info.bans_refused, 'client', 'clients')} refused since the start")
