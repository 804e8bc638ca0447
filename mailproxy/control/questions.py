"""
Questions between the processes of one service, on behalf of an administrator, and their answers.

One process has the admin socket; other processes have sessions as well. Questions and answers are plain values, so any
channel between the processes can carry them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen
from twisted.internet.defer import Deferred

from mailproxy.bans.ban import Ban
from mailproxy.control.running import Running
from mailproxy.control.session_filters import find_session
from mailproxy.control.session_pages import SessionsFrom, session_page
from mailproxy.control.survey import SurveyFrom, survey_page
from mailproxy.session.termination import ENDED


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


@frozen
class ForgetRates:
    """Asks to forget the rates of sources with these keys, as far as the process has counted them."""

    keys: tuple[bytes, ...]


Question = SessionsFrom | SurveyFrom | ShutDown | DrainServer | KickClients | ForgetRates

Ask = Callable[[Question], Deferred[object]]
"""Asks another process; the Deferred has its answer, and fails if the process has ended."""


def answer_question(running: Running, question: Question) -> object:
    """Return this process's answer to a question of another process of the service."""
    match question:
        case SessionsFrom():
            return session_page(running, question)
        case SurveyFrom():
            return survey_page(running, question)
        case ShutDown(id=id):
            return shut_down(running, id)
        case DrainServer(backend=backend, server=server, kick=kick, spread=spread):
            return running.drains.server(backend, server, kick=kick, spread=spread)
        case KickClients(ban=ban):
            running.kicks.kick(ban)
            return None
        case ForgetRates(keys=keys):
            forget_rates(running, keys)
            return None


def forget_rates(running: Running, keys: Iterable[bytes]) -> None:
    """Forget the rates of sources with these keys, as far as this process has counted them."""
    sources = running.process_state.counts.known_sources
    if sources is not None:
        sources.forget(keys)


def shut_down(running: Running, id: str) -> bool:
    """End a session with the protocol's goodbye; return False if there is none with this id, or it already ends."""
    session = find_session(running, id)
    if session is None or session.termination is not None:
        return False
    running.loop.poller.look_at_clock()
    session.shut_down(ENDED, "ended by hand")
    return True
