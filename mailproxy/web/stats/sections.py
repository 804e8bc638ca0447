"""The sections of the page by the ids of their elements: what is written once for all who look."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from mailproxy.control.format import duration
from mailproxy.control.survey import Survey
from mailproxy.session.counters import counted
from mailproxy.web.stats.attention import attention
from mailproxy.web.stats.backends import backends
from mailproxy.web.stats.bans import bans
from mailproxy.web.stats.certificates import certificates
from mailproxy.web.stats.clients import clients
from mailproxy.web.stats.events import events
from mailproxy.web.stats.frontends import frontends
from mailproxy.web.stats.markup import Markup, tag
from mailproxy.web.stats.sessions import sessions
from mailproxy.web.stats.snapshot import SEARCHES, Snapshot, Snapshots
from mailproxy.web.stats.totals import totals
from mailproxy.web.stats.words import state, whole
from mailproxy.web.turns import Turns

_PIECES_PER_TURN = 8
"""The most servers or sessions that one turn writes: half a millisecond."""


class Sections:
    """Writes the sections of the page; a piece at a time, as others wait as well."""

    def __init__(self, snapshots: Snapshots, turns: Turns) -> None:
        self._snapshots = snapshots
        self._turns = turns
        self._of: Snapshot | None = None
        self._written: dict[str, str] = {}
        self._lists: dict[str, tuple[Survey, str, str]] = {}
        """The list of sessions for each search, after what it is written from: the sessions, and the client's ban."""

    async def all(self, search: str) -> dict[str, str]:
        """Return the sections by the ids of their elements, for a search."""
        survey = await self._snapshots.sessions(search)
        whole_survey = survey if not search else await self._snapshots.sessions("")
        snapshot = await self._snapshots.latest()
        written = await self._of_snapshot(snapshot)
        return {
            **written,
            "clients": clients(whole_survey, snapshot.sources, snapshot.guessers),
            "sessions-list": await self._list(survey, search),
        }

    async def _of_snapshot(self, snapshot: Snapshot) -> dict[str, str]:
        """Return the sections that are the same for all who look."""
        if self._of is not snapshot:
            written = {}
            for id, pieces in _SECTIONS.items():
                written[id] = await self._join(pieces(snapshot))
            self._of, self._written = snapshot, written
        return self._written

    async def _list(self, survey: Survey, search: str) -> str:
        """Return the list of sessions for a search, which all who look have."""
        banned = self._snapshots.ban_of(search)
        if search not in self._lists or self._lists[search][:2] != (survey, banned):
            written = await self._join(sessions(survey, search, banned))
            self._lists.pop(search, None)
            self._lists[search] = survey, banned, written
            for one in list(self._lists)[:-SEARCHES]:
                del self._lists[one]
            return written
        return self._lists[search][2]

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
    processes = f"{counted(snapshot.workers, 'workers')}, " if snapshot.workers else ""
    reload = ""
    if info.reload == "running":
        reload = f", a reload has been running for {duration(info.reload_s)}"
    elif info.reload != "none":
        reload = f", last reload {duration(info.reload_s)} ago: {info.reload}"
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
    "bans": bans,
    "certificates": certificates,
}
