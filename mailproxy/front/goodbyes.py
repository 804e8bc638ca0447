"""
Ending many sessions politely: each at a moment of its own, and when that interrupts nothing that can be seen.

Clients that are sent away connect again. Ten thousand that do so in the same second are an attack; so goodbyes are
spread over a time if the admin wants it.
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
"""How often there is a look for sessions that can end without interrupting anything."""


@frozen
class Manner:
    """How sessions are ended."""

    spread: float
    """Over how many seconds goodbyes are spread; 0: all may come at once."""
    patience: float
    """How many seconds behind that a busy session has, until it is ended all the same."""
    ending: Ending = SHUT_DOWN
    reason: str = "shut down"


class Goodbyes:
    """Ends those sessions that `sessions` returns, now and as long as this takes (mutable)."""

    def __init__(
        self, sessions: Callable[[], Iterable[Session]], manner: Manner, *, clock: IReactorTime, poller: Poller
    ) -> None:
        self._sessions = sessions
        self._manner = manner
        self._clock = clock
        self._poller = poller
        self._due: dict[Session, float] = {}
        """When each session is asked to go."""
        self._spread_ends = 0.0
        self._ends = 0.0
        self._call: IDelayedCall | None = None
        self._done: Deferred[None] = Deferred()

    def begin(self) -> Deferred[None]:
        """Begin; the Deferred fires when there is no session left."""
        now = self._clock.seconds()
        manner = self._manner
        self._spread_ends = now + manner.spread
        self._ends = self._spread_ends + manner.patience
        live = list(self._sessions())
        random.shuffle(live)
        self._due = {session: now + manner.spread * place / len(live) for place, session in enumerate(live)}
        self._look()
        return self._done

    def hurry(self) -> None:
        """End all of them now."""
        self._ends = self._clock.seconds()
        if self._call is not None:
            self._call.reset(0)

    def stop(self) -> None:
        """Leave the rest of them to live on; the Deferred does not fire any more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._due = {}

    def _look(self) -> None:
        self._call = None
        live = list(self._sessions())
        now = self._clock.seconds()
        left = self._ends - now
        # Inside another reactor the poller's time stands still while nothing happens, and goodbyes have deadlines.
        self._poller.look_at_clock()
        manner = self._manner
        due = {session: self._due.get(session) or self._due_of_new(now) for session in live}
        self._due = due
        for session in live:
            if left <= 0:
                session.abort(manner.ending, manner.reason)
            elif due[session] <= now and session.is_quiet:
                session.shut_down(manner.ending, manner.reason)
        if live and left > 0:
            self._call = self._clock.callLater(min(LOOK_SECONDS, left), self._look)
        else:
            self._due = {}
            self._done.callback(None)

    def _due_of_new(self, now: float) -> float:
        """Return when a session is asked that has come behind the beginning."""
        return random.uniform(now, max(now, self._spread_ends))
