"""The clients with the most sessions, and the sources with the highest rates and the most refused logins."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailproxy.config.duration import shown_seconds
from mailproxy.control.status import SourceStatus
from mailproxy.control.survey import Survey
from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.words import bar, cell, heads, section, some, whole


def clients(survey: Survey, sources: Sequence[SourceStatus] = (), guessers: Sequence[SourceStatus] = ()) -> Markup:
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
    return section("clients", "Top clients", body, _rates(sources), _guesses(guessers), note=note)


def _rates(sources: Sequence[SourceStatus]) -> Child:
    """Write the rates, which refused clients have as well."""
    return _sources(sources, "New connections", lambda one: (one.rate, one.rate_s))


def _guesses(sources: Sequence[SourceStatus]) -> Child:
    """Write who had logins refused: a user with an old password, or a guesser."""
    return _sources(sources, "Refused logins", lambda one: (one.auth_failures, one.auth_failures_s))


def _sources(
    sources: Sequence[SourceStatus], heading: str, pick: Callable[[SourceStatus], tuple[float, float]]
) -> Child:
    if not sources:
        return None
    rows = []
    for one in sources:
        count, seconds = pick(one)
        number = cell(heading, f"{count:g} in {shown_seconds(seconds)}", class_="num")
        rows.append(tag("tr", tag("th", one.source, scope="row"), number, data_key=one.source))
    return tag("table", heads("Source", f"#{heading}"), tag("tbody", rows))
