"""
A look at all sessions of a process: how many are of each client, and the newest ones that match a search.

It is made in pages, by the numbers of the sessions, so that thousands of them do not hold a process up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import nlargest, nsmallest

from attrs import frozen

from mailproxy.control import observe
from mailproxy.control.running import Running
from mailproxy.control.session_filters import client_address, has_text
from mailproxy.control.status import SessionStatus
from mailproxy.session.session import Session

SESSIONS_PER_PAGE = 500
"""The most sessions that one page looks at: a millisecond."""

ROWS = 30
"""The most sessions that are shown."""


@frozen
class SurveyFrom:
    """Asks for the sessions with greater numbers than this one, a page at a time."""

    search: str
    number: int


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
    later = [session for session in running.generation.sessions if session.number > asked.number]
    page = nsmallest(SESSIONS_PER_PAGE, later, key=lambda session: session.number)
    last = page[-1].number if len(later) > len(page) else None
    return look_at(running, page, asked.search, last)


def look_at(running: Running, sessions: Iterable[Session], search: str, last: int | None = None) -> SurveyPage:
    """Look at these sessions."""
    test = has_text(search)
    now = running.loop.poller.look_at_clock()
    live = [session for session in sessions if not session.is_over]
    clients = Counter(client_address(session) for session in live)
    found = [session for session in live if test(session, now)] if search else live
    newest = nlargest(ROWS, found, key=lambda session: session.started)
    rows = tuple(row for row in observe.those(running, newest, {}) if row is not None)
    return SurveyPage(rows, tuple(clients.items()), len(found), len(live), last)


def merged(pages: Iterable[SurveyPage]) -> SurveyPage:
    """Put pages together, of one process or several."""
    pages = list(pages)
    clients: Counter[str] = Counter()
    for page in pages:
        clients.update(dict(page.clients))
    rows = nsmallest(ROWS, (row for page in pages for row in page.rows), key=lambda row: row.age_s)
    return SurveyPage(
        tuple(rows),
        tuple(clients.most_common()),
        sum(page.matches for page in pages),
        sum(page.sessions for page in pages),
    )
