"""
When a server is checked.

Theory of operation. A prober always waits for one thing: the moment of the next run, or the outcome of the one under
way; so there are never two::

    start -> waiting -> running -> told -> waiting -> ...

The interval begins where a run ends, as in HAProxy, and is the one that the server's health asks for once it has heard
of the outcome. All probers share a `Pace`: what became due while something else kept the process busy does not begin
all at once, or sessions would wait for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy import config
from mailproxy.checks.check import Check, Run
from mailproxy.checks.outcome import Outcome
from mailproxy.transport.outgoing import Target


class Health(Protocol):
    """What says how often to check."""

    def interval(self, check: config.Check) -> float:
        """Return the seconds until the next check."""


class CheckedServer(Protocol):
    """The server that is checked, in one protocol: `mailproxy.balance.pool_server.PoolServer`."""

    @property
    def target(self) -> Target | None:
        """Where to connect to; None while nobody knows."""

    @property
    def health(self) -> Health | None:
        """What says how often to check; None: `inter`."""

    @property
    def state(self) -> str:
        """What the admin wants of it; in "maint" it is not checked."""


class Pace:
    """How fast runs may begin: `BURST` at once, then one in each `GAP_SECONDS` (mutable; all probers share one)."""

    def __init__(self) -> None:
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Take the next place, at some time of a clock; return how long it is until then."""
        if self._next > now + LONGEST_WAIT_SECONDS:
            self._next = now
        place = max(self._next, now - (BURST - 1) * GAP_SECONDS)
        self._next = place + GAP_SECONDS
        return max(place - now, 0.0)


# To begin a run costs 50 µs of CPU time and little more until it ends: so many cost a session half a millisecond.
BURST = 8
GAP_SECONDS = 0.0001

# A hundred thousand probers wait so long if all are due at once; who has to wait longer, his clock was set back.
LONGEST_WAIT_SECONDS = 10.0


class Prober:
    """Checks one server in one protocol over and over (mutable)."""

    __slots__ = (
        "_call",
        "_check",
        "_clock",
        "_due",
        "_pace",
        "_random",
        "_run",
        "_runs",
        "_server",
        "_settings",
        "_tell",
    )

    _log = Logger()

    def __init__(
        self,
        server: CheckedServer,
        settings: config.Check,
        check: Check,
        tell: Callable[[Outcome], Any],
        *,
        clock: IReactorTime,
        pace: Pace,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Get ready to check a server; `tell` hears each outcome. `random` returns numbers from 0 to below 1."""
        self._server = server
        self._settings = settings
        self._check = check
        self._tell = tell
        self._clock = clock
        self._pace = pace
        self._random = random
        self._call: IDelayedCall | None = None
        self._due = 0.0
        self._run: Run | None = None
        self._runs = 0
        """Counts runs, so that one that was ended cannot speak for the next."""

    @property
    def is_running(self) -> bool:
        """True while a check is under way."""
        return self._run is not None

    def start(self) -> None:
        """Begin somewhere in the first `inter`: who has many servers does not check them all at once."""
        self._wait(self._settings.inter * self._random())

    def stop(self) -> None:
        """End, and what is under way with it, without a word."""
        self._runs += 1
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._run is not None:
            self._run.cancel()
            self._run = None

    def soon(self) -> None:
        """Do not wait longer than `fastinter` for the next run: something has happened."""
        if self._call is None:
            return
        settings = self._settings
        seconds = settings.inter if settings.fastinter is None else settings.fastinter
        if self._clock.seconds() + seconds < self._due:
            self._call.cancel()
            self._wait(seconds)

    def now(self) -> None:
        """Begin the next run at once, unless one is under way."""
        if self._call is not None:
            self._call.cancel()
            self._begin()

    def _wait(self, seconds: float) -> None:
        self._due = self._clock.seconds() + seconds
        self._call = self._clock.callLater(seconds, self._is_due)

    def _is_due(self) -> None:
        seconds = self._pace.wait(self._clock.seconds())
        if seconds:
            self._call = self._clock.callLater(seconds, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        self._call = None
        target = self._server.target
        if target is None or self._server.state == "maint":
            self._wait(self._interval())
            return
        self._runs += 1
        number = self._runs
        self._run = _BEGINNING
        try:
            run = self._check.begin(target, lambda outcome: self._is_over(number, outcome))
        except Exception:
            self._log.failure("bug in {check}", check=self._check)
            self._is_over(number, Outcome(False, "internal error", 0.0))
            return
        if self._run is _BEGINNING:
            self._run = run

    def _is_over(self, number: int, outcome: Outcome) -> None:
        if number != self._runs:
            return
        self._run = None
        try:
            self._tell(outcome)
        finally:
            # Who was told may have stopped us.
            if number == self._runs:
                self._wait(self._interval())

    def _interval(self) -> float:
        health = self._server.health
        seconds = self._settings.inter if health is None else health.interval(self._settings)
        return seconds * (1 + self._settings.jitter / 100 * (2 * self._random() - 1))


class _Beginning:
    """Stands for a run that may be over before it is there."""

    def cancel(self) -> None:
        """Nothing: `Check.begin` has not returned."""


_BEGINNING = _Beginning()
