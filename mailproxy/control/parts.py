"""
Several processes of one service: what one asks the others on behalf of an administrator, and what they answer.

One of them has the admin socket, and the others have sessions as well. Questions and answers are plain values, which go
over any channel between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from attrs import frozen
from twisted.internet.defer import Deferred

from mailproxy.control import observe
from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from mailproxy.control.running import Running
from mailproxy.control.status import SessionStatus
from mailproxy.session.termination import ENDED

SESSIONS_PER_PAGE = 32
"""The most sessions that one answer looks at: half a millisecond of the other process's time."""


@frozen
class SessionsFrom:
    """Which sessions are there, behind the one with this number?"""

    filters: Mapping[str, str]
    """As they were written, by name."""
    number: int


@frozen
class SessionPage:
    """Some sessions; `last` is the number of the last that was looked at, None when there are no more."""

    sessions: tuple[SessionStatus, ...]
    last: int | None


@frozen
class ShutDown:
    """End the session with this id, if it is there."""

    id: str


@frozen
class Kick:
    """Let the sessions of a server end that gets no new ones, over these seconds; None: as configured."""

    backend: str
    server: str
    kick: bool
    spread: float | None


Question = SessionsFrom | ShutDown | Kick

Ask = Callable[[Question], Deferred[object]]
"""Asks another process; the Deferred has its answer, and fails if it is gone."""


def answer_part(running: Running, question: Question) -> object:
    """Return what this process answers another one of its service."""
    match question:
        case SessionsFrom(filters=filters, number=number):
            return _page(running, filters, number)
        case ShutDown(id=id):
            return shut_down(running, id)
        case Kick(backend=backend, server=server, kick=kick, spread=spread):
            return running.drains.server(backend, server, kick=kick, spread=spread)


def _page(running: Running, filters: Mapping[str, str], number: int) -> SessionPage:
    later = sorted((one for one in running.generation.sessions if one.number > number), key=lambda one: one.number)
    looked_at = list(islice(later, SESSIONS_PER_PAGE))
    wanted = Request(BY_NAME["show sessions"], filters).read()
    shown = tuple(row for row in observe.those(running, looked_at, wanted) if row is not None)
    return SessionPage(shown, looked_at[-1].number if len(later) > SESSIONS_PER_PAGE else None)


def shut_down(running: Running, id: str) -> bool:
    """End a session politely; False if it is not there, or ends already."""
    session = observe.find_session(running, id)
    if session is None or session.termination is not None:
        return False
    running.loop.poller.look_at_clock()
    session.shut_down(ENDED, "ended by hand")
    return True


def sessions(
    running: Running, others: Sequence[Ask], filters: Mapping[str, str]
) -> Iterator[SessionStatus | Deferred[None] | None]:
    """Yield the sessions here, and then those of the others: a Deferred where these are to be waited for."""
    yield from observe.sessions(running, Request(BY_NAME["show sessions"], filters).read())
    for ask in others:
        number: int | None = -1
        while number is not None:
            pages: list[SessionPage] = []
            yield _asked(ask, SessionsFrom(filters, number), pages)
            number = None
            for page in pages:
                yield from page.sessions
                number = page.last


def _asked(ask: Ask, question: Question, pages: list[SessionPage]) -> Deferred[None]:
    """Ask for a page; a process that is gone has none."""

    def take(answer: object) -> None:
        if isinstance(answer, SessionPage):
            pages.append(answer)

    return ask(question).addCallbacks(take, lambda failure: None)
