"""The whole page, and its sections by name."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import Any

from mailproxy.control.format import duration
from mailproxy.web.stats.attention import attention
from mailproxy.web.stats.backends import backends
from mailproxy.web.stats.certificates import certificates
from mailproxy.web.stats.clients import clients
from mailproxy.web.stats.events import events
from mailproxy.web.stats.frontends import frontends
from mailproxy.web.stats.markup import Markup, tag
from mailproxy.web.stats.sessions import search_form, sessions
from mailproxy.web.stats.snapshot import Snapshot, Snapshots
from mailproxy.web.stats.totals import totals
from mailproxy.web.stats.words import state, whole
from mailproxy.web.turns import Turns

LONGEST_SEARCH = 100
"""The most characters of a search."""

_PIECES_PER_TURN = 16


class Sections:
    """Writes the sections of the page; a piece at a time, as others wait as well."""

    def __init__(self, snapshots: Snapshots, turns: Turns) -> None:
        self._snapshots = snapshots
        self._turns = turns
        self._of: Snapshot | None = None
        self._written: dict[str, str] = {}

    async def all(self, search: str) -> dict[str, str]:
        """Return the sections by the ids of their elements, for a search."""
        survey = await self._snapshots.sessions(search)
        whole_survey = survey if not search else await self._snapshots.sessions("")
        snapshot = await self._snapshots.latest()
        written = await self._of_snapshot(snapshot)
        return {
            **written,
            "clients": clients(whole_survey, snapshot.sources),
            "sessions-list": sessions(survey, search),
        }

    async def _of_snapshot(self, snapshot: Snapshot) -> dict[str, str]:
        """Return the sections that are the same for all who look."""
        if self._of is not snapshot:
            written = {}
            for id, pieces in _SECTIONS.items():
                written[id] = await self._join(pieces(snapshot))
            self._of, self._written = snapshot, written
        return self._written

    async def _join(self, pieces: Markup | Iterator[Markup]) -> str:
        if isinstance(pieces, Markup):
            await self._turns.next()
            return pieces
        joined = []
        for number, piece in enumerate(pieces):
            joined.append(piece)
            if number % _PIECES_PER_TURN == 0:
                await self._turns.next()
        return "".join(joined)


def _top(snapshot: Snapshot) -> Markup:
    info = snapshot.info
    ready = info.state if info.state != "running" else "ready" if not snapshot.unready else "not ready"
    processes = f"{snapshot.workers} workers, " if snapshot.workers else ""
    reload = "" if info.reload == "none" else f", last reload {duration(info.reload_s)} ago: {info.reload}"
    connections = f"{whole(info.connections)} connections"
    facts = f"mailproxy {info.version}, {processes}up {duration(info.uptime_s)}, {connections}{reload}"
    return tag(
        "div",
        tag("h1", socket.gethostname()),
        state(ready),
        tag("p", facts, class_="facts"),
        id="top",
    )


_SECTIONS: dict[str, Any] = {
    "top": _top,
    "attention": attention,
    "totals": totals,
    "backends": backends,
    "frontends": frontends,
    "events": events,
    "certificates": certificates,
}


def document(sections: dict[str, str], search: str, version: str, *, has_token: bool) -> Iterable[str]:
    """Yield the document, in pieces."""
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{socket.gethostname()}: mailproxy"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href=f"/static/stats.css?{version}"),
        tag("script", src=f"/static/stats.js?{version}", defer=True),
    )
    yield "<body>"
    yield tag("a", "Skip to what needs attention", href="#attention", class_="skip")
    yield "<header>"
    yield sections["top"]
    yield _controls(has_token=has_token)
    yield "</header><main>"
    for id in ("attention", "totals", "backends", "frontends"):
        yield sections[id]
    yield '<div class="pair">'
    yield sections["events"]
    yield sections["clients"]
    yield "</div>"
    yield sections["certificates"]
    yield '<section id="sessions" aria-labelledby="sessions-title"><div class="head">'
    yield tag("h2", "Sessions", id="sessions-title")
    yield search_form(search)
    yield "</div>"
    yield sections["sessions-list"]
    yield "</section></main>"
    yield tag("div", id="said", role="status", aria_live="polite")
    yield "</body></html>\n"


def _controls(*, has_token: bool) -> Markup:
    """Write what needs JavaScript, hidden until there is some."""
    token = tag(
        "form",
        tag("label", "Token", for_="token"),
        tag("input", type="password", id="token", name="token", autocomplete="off", maxlength=4096),
        tag("button", "use"),
        id="token-form",
    )
    known = tag("button", "forget the token", type="button", id="forget", hidden=True)
    return tag(
        "div",
        tag("span", "live", id="live", class_="live"),
        tag("button", "pause", type="button", id="pause", aria_pressed="false"),
        [token, known] if has_token else None,
        id="controls",
        hidden=True,
    )


def search_of(text: str) -> str:
    """Return a search as it is used: printable, and not too long."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:LONGEST_SEARCH]
