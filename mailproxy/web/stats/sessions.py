"""The live sessions, with a search."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mailproxy.control.status import SessionStatus
from mailproxy.control.survey import Survey
from mailproxy.web.stats.markup import Child, Markup, opening, tag
from mailproxy.web.stats.words import NOTHING, ago, cell, heads, size, text, whole

_SHORT = 26
"""The most characters of a client's address that are not broken into lines: an IPv4 address and port have 21."""


def search_form(search: str) -> Markup:
    """Write the form, which works without JavaScript too."""
    return tag(
        "form",
        tag("label", "Search sessions", for_="search"),
        tag(
            "input",
            type="search",
            id="search",
            name="search",
            value=search,
            maxlength=100,
            placeholder="address, name, server or id",
            autocomplete="off",
            spellcheck="false",
        ),
        tag("button", "search"),
        method="get",
        action="/stats#sessions",
        class_="search",
        role="search",
    )


def sessions(survey: Survey, search: str, banned: str = "") -> Iterator[Markup]:
    """Write the rows, below the form, in pieces: all take two milliseconds; `banned` is the ban of the address."""
    shown = len(survey.rows)
    if search:
        words = f"{whole(survey.matches)} of {whole(survey.sessions)} sessions match {search!r}"
    else:
        words = f"{whole(survey.sessions)} sessions"
    if shown < survey.matches:
        words += f"; the newest {shown} are shown"
    head = heads(
        "Client", "Frontend", "Server", "Stage", "#Age", "#Idle", "TLS", "Server name, common name", "#In", "#Out"
    )
    yield opening("div", id="sessions-list")
    yield tag("p", words, class_="note", role="status")
    if banned:
        yield tag("p", banned, class_="note")
    if shown:
        yield Markup(opening("table", class_="wide sessions") + head + opening("tbody"))
        yield from map(_row, survey.rows)
        yield Markup("</tbody></table>")
    yield Markup("</div>")


def _row(one: SessionStatus) -> Markup:
    end = tag(
        "button",
        "end",
        type="button",
        data_command="shutdown session",
        data_arguments=json.dumps({"session": one.id}),
        aria_label=f"end session {one.id}",
    )
    return tag(
        "tr",
        tag(
            "th",
            tag(
                "div",
                tag(
                    "div",
                    tag("span", one.client, class_="name short" if len(one.client) <= _SHORT else "name"),
                    tag("small", one.id),
                ),
                tag("div", end, class_="actions"),
                class_="who",
            ),
            scope="row",
        ),
        cell("Frontend", one.frontend),
        cell("Server", f"{one.backend}/{one.server}" if one.server else NOTHING),
        cell("Stage", one.stage),
        cell("Age", ago(one.age_s), class_="num"),
        cell("Idle", ago(one.idle_s), class_="num"),
        cell("TLS", text(one.tls), tag("small", one.cipher, class_="cipher") if one.cipher else None),
        cell("Server name, common name", _names(one), class_="words"),
        cell("In", size(one.bytes_in), class_="num"),
        cell("Out", size(one.bytes_out), class_="num"),
        data_key=one.id,
    )


def _names(one: SessionStatus) -> Child:
    if not (one.sni or one.cn):
        return NOTHING
    return [tag("span", one.sni) if one.sni else None, tag("small", f"CN {one.cn}") if one.cn else None]
