"""
The sessions of a process, a page at a time, for another process that shows them.

A page has a few sessions, by their numbers, so that thousands of them do not block the process.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from mailproxy.control.running import Running
from mailproxy.control.session_status import statuses_of
from mailproxy.control.status import SessionStatus

SESSIONS_PER_PAGE = 32
"""The most sessions that one page looks at: half a millisecond in the other process."""


@frozen
class SessionsFrom:
    """Asks for the sessions with greater numbers than this one, a page at a time."""

    filters: Mapping[str, str]
    """The texts of the filters, by name."""
    number: int


@frozen
class SessionPage:
    """A page of sessions; `last` is the number of the last session that was looked at, None on the last page."""

    sessions: tuple[SessionStatus, ...]
    last: int | None


def session_page(running: Running, asked: SessionsFrom) -> SessionPage:
    """Return a page of this process's sessions."""
    looked_at = running.generation.oldest_after(asked.number, SESSIONS_PER_PAGE)
    wanted = Request(BY_NAME["show sessions"], asked.filters).read()
    shown = tuple(row for row in statuses_of(running, looked_at, wanted) if row is not None)
    return SessionPage(shown, looked_at[-1].number if len(looked_at) == SESSIONS_PER_PAGE else None)
