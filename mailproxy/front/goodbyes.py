"""
Ends many sessions politely: at different times, and each while it is idle.

Disconnected clients connect again. Ten thousand in the same second are like an attack, so goodbyes can be spread over a
time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.session.session import Session
from mailproxy.session.termination import SHUT_DOWN, Ending
from mailproxy.transport.poller import Poller

LOOK_SECONDS = 0.1
"""The interval of looking for sessions that are idle."""


@frozen
class GoodbyeSettings:
    """How sessions are ended."""

    spread: float
    """The seconds over which goodbyes are spread; 0: all may come at once."""
    patience: float
    """The further seconds until a busy session is ended as well."""
    ending: Ending = SHUT_DOWN
    reason: str = "shut down"


class Goodbyes:
    """Ends the sessions that `sessions` returns, now and later on (mutable)."""

    def __init__(
        self,
        sessions: Callable[[], Iterable[Session]],
        settings: GoodbyeSettings,
        *,
        clock: IReactorTime,
        poller: Poller,
    ) -> None:
        self._sessions = sessions
        self._settings = settings
        self._clock = clock
        self._poller = poller
        self._due: dict[Session, float] = {}
        """The time of each session's goodbye."""
        self._spread_ends = 0.0
        self._ends = 0.0
        self._call: IDelayedCall | None = None
        self._done: Deferred[None] = Deferred()

    def begin(self) -> Deferred[None]:
        """Begin; the Deferred fires when no session is left."""
        now = self._clock.seconds()
        settings = self._settings
        self._spread_ends = now + settings.spread
        self._ends = self._spread_ends + settings.patience
        live = list(self._sessions())
        random.shuffle(live)
        self._due = {session: now + settings.spread * place / len(live) for place, session in enumerate(live)}
        self._end_those_due()
        return self._done

    def hurry(self) -> None:
        """End all of them now."""
        self._ends = self._clock.seconds()
        if self._call is not None:
            self._call.reset(0)

    def stop(self) -> None:
        """Stop; the remaining sessions continue, and the Deferred does not fire."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._due = {}

    def _end_those_due(self) -> None:
        self._call = None
        live = list(self._sessions())
        now = self._clock.seconds()
        left = self._ends - now
        # Inside another reactor the poller's time does not advance without events, and goodbyes have deadlines.
        self._poller.look_at_clock()
        settings = self._settings
        due = {session: self._due.get(session) or self._due_of_new(now) for session in live}
        self._due = due
        for session in live:
            if left <= 0:
                session.abort(settings.ending, settings.reason)
            elif due[session] <= now and session.is_quiet:
                session.shut_down(settings.ending, settings.reason)
        if live and left > 0:
            self._call = self._clock.callLater(min(LOOK_SECONDS, left), self._end_those_due)
        else:
            self._due = {}
            self._done.callback(None)

    def _due_of_new(self, now: float) -> float:
        """Return the time of the goodbye for a session that began later."""
        return random.uniform(now, max(now, self._spread_ends))
