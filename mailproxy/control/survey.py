"""
A look at all sessions of a process: how many are of each client, and the newest ones that match a search.

It is made in pages, from the newest session to the oldest one, so that thousands of them do not hold a process up: a
page takes half a millisecond, in the process that has the sessions and in the one that puts the pages together.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest, nsmallest

from attrs import frozen

from mailproxy.control.running import Running
from mailproxy.control.session_filters import client_address, has_text
from mailproxy.control.session_status import session_status
from mailproxy.control.status import SessionStatus

SESSIONS_PER_PAGE = 128
"""The most sessions that one page looks at."""

ROWS_PER_PAGE = 10
"""The most sessions that one page describes: each takes as long as a look at ten."""

ROWS = 30
"""The most sessions that are shown."""

TOP_CLIENTS = 10
"""The most clients that are shown."""


@frozen
class SurveyFrom:
    """Asks for a page of the sessions with smaller numbers than this one, or of all; it needs this many rows."""

    search: str
    number: int | None = None
    rows: int = ROWS

    def after(self, page: SurveyPage) -> SurveyFrom | None:
        """Return what asks for the page after this one; None after the last one."""
        return None if page.last is None else SurveyFrom(self.search, page.last, max(self.rows - len(page.rows), 0))


@frozen
class SurveyPage:
    """What a page of sessions has."""

    rows: tuple[SessionStatus, ...] = ()
    """The newest ones that match."""
    clients: tuple[tuple[str, int], ...] = ()
    """The number of sessions of each client's address."""
    matches: int = 0
    sessions: int = 0
    last: int | None = None
    """The number of the last session that was looked at; None on the last page."""


def survey_page(running: Running, asked: SurveyFrom) -> SurveyPage:
    """Look at a page of this process's sessions."""
    test = has_text(asked.search) if asked.search else None
    now = running.loop.poller.look_at_clock()
    found = running.generation.newest_before(asked.number, SESSIONS_PER_PAGE)
    last = found[-1].number if len(found) == SESSIONS_PER_PAGE else None
    clients: list[str] = []
    rows: list[SessionStatus] = []
    matches = 0
    for session in found:
        if session.is_over:
            continue
        clients.append(client_address(session))
        if test is not None and not test(session, now):
            continue
        matches += 1
        if len(rows) < asked.rows:
            rows.append(session_status(session, now))
            if len(rows) == ROWS_PER_PAGE:
                last = session.number
                break
    return SurveyPage(tuple(rows), tuple(Counter(clients).items()), matches, len(clients), last)


@frozen
class Survey:
    """What all pages have together."""

    rows: tuple[SessionStatus, ...] = ()
    """The newest sessions that match, up to `ROWS`."""
    clients: tuple[tuple[str, int], ...] = ()
    """The clients' addresses with the most sessions, up to `TOP_CLIENTS`, and the number of sessions of each."""
    addresses: int = 0
    """All clients' addresses."""
    matches: int = 0
    sessions: int = 0


class Surveyor:
    """Puts pages together, of one process or several (mutable)."""

    def __init__(self) -> None:
        self._clients: Counter[str] = Counter()
        self._top: tuple[str, ...] = ()
        self._rows: list[SessionStatus] = []
        self._matches = self._sessions = 0

    def add(self, page: SurveyPage) -> None:
        """Add a page."""
        counts = dict(page.clients)
        self._clients.update(counts)
        # Numbers only grow, so an address that comes to the top is on this page.
        self._top = tuple(nlargest(TOP_CLIENTS, {*self._top, *counts}, key=self._clients.__getitem__))
        if page.rows:
            self._rows = nsmallest(ROWS, [*self._rows, *page.rows], key=lambda row: row.age_s)
        self._matches += page.matches
        self._sessions += page.sessions

    @property
    def survey(self) -> Survey:
        """What the pages so far have."""
        clients = tuple((address, self._clients[address]) for address in self._top)
        return Survey(tuple(self._rows), clients, len(self._clients), self._matches, self._sessions)
