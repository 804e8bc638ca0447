"""The clients with the most sessions, and the sources with the highest rates."""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.config.duration import shown_seconds
from mailproxy.control.status import SourceStatus
from mailproxy.control.survey import Survey
from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.words import bar, cell, heads, section, some, whole


def clients(survey: Survey, sources: Sequence[SourceStatus] = ()) -> Markup:
    """Write the section."""
    most = max((count for _, count in survey.clients), default=0)
    rows = [
        tag(
            "tr",
            tag("th", tag("a", address, href=f"?search={address}#sessions"), scope="row"),
            cell("Sessions", whole(count), bar(count, most, can_be_full=False), class_="num"),
            data_key=address,
        )
        for address, count in survey.clients
    ]
    body = (
        tag("table", heads("Client", "#Sessions"), tag("tbody", rows)) if rows else tag("p", "no client is connected")
    )
    note = some(survey.addresses, "address", "addresses")
    return section("clients", "Top clients", body, _rates(sources), note=note)


def _rates(sources: Sequence[SourceStatus]) -> Child:
    """Write the rates, which refused clients have as well."""
    if not sources:
        return None
    rows = [
        tag(
            "tr",
            tag("th", one.source, scope="row"),
            cell("New connections", f"{one.rate:g} in {shown_seconds(one.rate_s)}", class_="num"),
            data_key=one.source,
        )
        for one in sources
    ]
    return tag("table", heads("Source", "#New connections"), tag("tbody", rows))
