"""The clients with the most sessions."""

from __future__ import annotations

from mailproxy.control.survey import SurveyPage
from mailproxy.web.stats.markup import Markup, tag
from mailproxy.web.stats.words import bar, cell, heads, section, whole

MOST = 10
"""The most clients."""


def clients(survey: SurveyPage) -> Markup:
    """Write the section."""
    top = survey.clients[:MOST]
    most = max((count for _, count in top), default=0)
    rows = [
        tag(
            "tr",
            tag("th", tag("a", address, href=f"?search={address}#sessions"), scope="row"),
            cell("Sessions", whole(count), bar(count, most, can_be_full=False), class_="num"),
            data_key=address,
        )
        for address, count in top
    ]
    body = (
        tag("table", heads("Client", "#Sessions"), tag("tbody", rows)) if rows else tag("p", "no client is connected")
    )
    return section("clients", "Top clients", body, note=f"{whole(len(survey.clients))} addresses")
