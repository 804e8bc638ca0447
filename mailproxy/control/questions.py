"""
Questions between the processes of one service, on behalf of an administrator, and their answers.

One process has the admin socket; other processes have sessions as well. Questions and answers are plain values, so any
channel between the processes can carry them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mailproxy.bans.ban import Ban
from mailproxy.control import observe
from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from mailproxy.control.running import Running
from mailproxy.control.session_filters import find_session
from mailproxy.control.status import SessionStatus
from mailproxy.control.survey import SurveyFrom, survey_page
from mailproxy.session.termination import ENDED

SESSIONS_PER_PAGE = 32
"""The most sessions that one answer looks at: half a millisecond in the other process."""


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


@frozen
class ShutDown:
    """Asks to end the session with this id, if the process has it."""

    id: str


@frozen
class DrainServer:
    """Asks to end the sessions of a drained server over `spread` seconds; None: `drain-spread`."""

    backend: str
    server: str
    kick: bool
    spread: float | None


@frozen
class KickClients:
    """Asks to end the sessions of banned clients."""

    ban: Ban


Question = SessionsFrom | SurveyFrom | ShutDown | DrainServer | KickClients

Ask = Callable[[Question], Deferred[object]]
"""Asks another process; the Deferred has its answer, and fails if the process has ended."""


def answer_question(running: Running, question: Question) -> object:
    """Return this process's answer to a question of another process of the service."""
    match question:
        case SessionsFrom(filters=filters, number=number):
            return _page(running, filters, number)
        case SurveyFrom():
            return survey_page(running, question)
        case ShutDown(id=id):
            return shut_down(running, id)
        case DrainServer(backend=backend, server=server, kick=kick, spread=spread):
            return running.drains.server(backend, server, kick=kick, spread=spread)
        case KickClients(ban=ban):
            running.kicks.kick(ban)
            return None


def _page(running: Running, filters: Mapping[str, str], number: int) -> SessionPage:
    later = sorted((one for one in running.generation.sessions if one.number > number), key=lambda one: one.number)
    looked_at = list(islice(later, SESSIONS_PER_PAGE))
    wanted = Request(BY_NAME["show sessions"], filters).read()
    shown = tuple(row for row in observe.those(running, looked_at, wanted) if row is not None)
    return SessionPage(shown, looked_at[-1].number if len(later) > SESSIONS_PER_PAGE else None)


def shut_down(running: Running, id: str) -> bool:
    """End a session with the protocol's goodbye; return False if there is none with this id, or it already ends."""
    session = find_session(running, id)
    if session is None or session.termination is not None:
        return False
    running.loop.poller.look_at_clock()
    session.shut_down(ENDED, "ended by hand")
    return True


def sessions(
    running: Running, others: Sequence[Ask], filters: Mapping[str, str]
) -> Iterator[SessionStatus | Deferred[None] | None]:
    """Yield the sessions of this process, then those of the others, with a Deferred before each page of these."""
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
    """Ask for a page; a process that has ended adds none to `pages`. It may be cancelled: the client has left."""

    def take(answer: object) -> None:
        if isinstance(answer, SessionPage):
            pages.append(answer)

    def go_on(failure: Failure) -> Failure | None:
        return failure if failure.check(CancelledError) else None

    return ask(question).addCallbacks(take, go_on)
