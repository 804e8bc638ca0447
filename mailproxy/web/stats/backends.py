"""The backends with their servers, for each protocol, and the buttons that change servers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from mailproxy.control.status import BackendStatus, ServerStatus
from mailproxy.web.stats.markup import Child, Markup, opening, tag
from mailproxy.web.stats.snapshot import Server, Snapshot
from mailproxy.web.stats.words import NOTHING, ago, bar, cell, heads, some, state, text, whole

MAX_SERVERS = 300
"""The most rows; `mailproxy ctl show servers` has all."""

_STATES = {"ready": "use", "drain": "drain", "maint": "put into maintenance:"}
"""The states that an administrator sets, and what that does with a server."""


def backends(snapshot: Snapshot) -> Iterator[Markup]:
    """Write the section, in pieces: there may be hundreds of servers."""
    yield opening("section", id="backends", aria_labelledby="backends-title")
    yield tag("div", tag("h2", "Backends", id="backends-title"), class_="head")
    shown = 0
    for name, group in groupby(sorted(snapshot.backends, key=lambda one: one.backend), lambda one: one.backend):
        servers = [one for one in snapshot.servers if one.status.backend == name]
        yield from _backend(name, list(group), servers[: max(MAX_SERVERS - shown, 0)])
        shown += len(servers)
    if shown > MAX_SERVERS:
        yield tag("p", f"and {shown - MAX_SERVERS} more servers: mailproxy ctl show servers", class_="note")
    yield Markup("</section>")


def _backend(name: str, protocols: Sequence[BackendStatus], servers: Sequence[Server]) -> Iterator[Markup]:
    yield opening("div", class_="backend", data_key=name)
    yield tag(
        "div",
        tag("h3", name),
        tag("ul", [tag("li", _pool(one), data_key=one.protocol) for one in protocols], class_="pools"),
        class_="backend-head",
    )
    yield opening("table", class_="wide servers")
    yield heads("Server", "Protocol", "State", "#Since", "Why, and the last check", "#Sessions", "#Errors", "#Weight")
    in_order = sorted(servers, key=lambda one: one.status.server)
    for server, rows in groupby(in_order, lambda one: one.status.server):
        yield _server(list(rows), server)
    yield Markup("</table></div>")


def _pool(one: BackendStatus) -> Child:
    parts = [f"{one.active} active"]
    if one.backup:
        parts.append(f"{one.backup} backup")
    parts.append(f"{whole(one.sessions)} sessions")
    if one.queued:
        parts.append(f"{whole(one.queued)} queued")
    return [tag("b", one.protocol), " ", state(one.state), f" {one.balance}, {', '.join(parts)}"]


def _server(rows: Sequence[Server], name: str) -> Markup:
    first = rows[0].status
    key = f"{first.backend}/{name}"
    lines = [
        tag("tr", _name(first, len(rows), key) if row is rows[0] else None, _cells(row), data_key=row.status.protocol)
        for row in rows
    ]
    return tag("tbody", lines, data_key=key)


def _name(status: ServerStatus, rows: int, key: str) -> Markup:
    return tag(
        "th",
        tag("span", status.server, class_="name"),
        tag("small", text(status.address), " backup" if status.is_backup else None),
        _buttons(status, key),
        scope="rowgroup",
        rowspan=rows,
    )


def _buttons(status: ServerStatus, key: str) -> Markup:
    """Write the buttons; without JavaScript and a token, nobody sees them."""
    states = [
        _button(word, "set server state", {"server": key, "state": word}, f"{verb} {key}", is_sure=word == "ready")
        for word, verb in _STATES.items()
        if word != status.admin
    ]
    check = _button("check now", "check now", {"server": key}, f"check {key} now", is_sure=True)
    weight = tag(
        "form",
        tag(
            "label",
            "weight ",
            tag(
                "input",
                name="weight",
                value=f"{status.weight:g}",
                inputmode="numeric",
                size=4,
                maxlength=6,
                autocomplete="off",
                aria_label=f"weight of {key}",
            ),
        ),
        tag("button", "set", aria_label=f"set the weight of {key}"),
        data_command="set server weight",
        data_arguments=json.dumps({"server": key}),
    )
    return tag("div", states, check, weight, class_="actions")


def _button(words: str, command: str, arguments: dict[str, str], label: str, *, is_sure: bool = False) -> Markup:
    return tag(
        "button",
        words,
        type="button",
        data_command=command,
        data_arguments=json.dumps(arguments),
        data_sure=is_sure,
        aria_label=label,
    )


def _cells(row: Server) -> Iterable[Markup]:
    one = row.status
    return (
        cell("Protocol", one.protocol),
        cell("State", state(one.state, _note(one))),
        cell("Since", ago(one.since_s), class_="num"),
        cell("Why, and the last check", _why(one), class_="words"),
        cell(
            "Sessions",
            tag("span", whole(one.sessions), " ", tag("small", f"of {whole(one.maxconn)}" if one.maxconn else None)),
            bar(one.sessions, one.maxconn) if one.maxconn else None,
            class_="num",
        ),
        cell("Errors", _errors(one, row.failed), class_="num"),
        cell("Weight", _weight(one), class_="num"),
    )


def _note(one: ServerStatus) -> str:
    """Return what else holds besides the state: what an administrator or the agent wants, or a check has found."""
    notes = []
    if one.state in ("maint", "drain") and not one.is_up:
        notes.append("down")
    if one.admin != "ready" and one.state != one.admin:
        notes.append(one.admin)
    if one.agent not in ("ready", one.state):
        notes.append(f"agent: {one.agent}")
    return ", ".join(notes)


def _why(one: ServerStatus) -> Child:
    check: list[Child] = [tag("small", f"check {one.check} {one.check_counts}".rstrip())]
    if one.checked_s is not None:
        check.append(tag("small", ", ", ago(one.checked_s), " ago"))
    if one.check_says and one.check_says != one.why:
        check.append(tag("small", f": {one.check_says}"))
    return [tag("span", one.why) if one.why else None, tag("div", check)]


def _errors(one: ServerStatus, failed: int) -> Child:
    parts = []
    if failed:
        parts.append(some(failed, "session", "sessions"))
    if one.check_failures:
        parts.append(some(one.check_failures, "failed check", "failed checks"))
    if one.downtimes:
        parts.append("down once" if one.downtimes == 1 else f"down {whole(one.downtimes)} times")
    return tag("ul", [tag("li", part) for part in parts], class_="counts") if parts else NOTHING


def _weight(one: ServerStatus) -> Child:
    notes: list[Child] = []
    if one.weight != one.configured_weight:
        notes.append(f"configured {one.configured_weight}")
    if one.state == "up" and 0 < one.share < one.weight:
        notes.append(f"slow start, now {one.share:g}")
    return [f"{one.weight:g}", tag("small", "; ".join(map(str, notes))) if notes else None]
