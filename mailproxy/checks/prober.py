"""
The times at which a server is checked.

Theory of operation. A prober always waits for one event: the time of the next run, or the outcome of the current one;
so there are never two::

    start -> waiting -> running -> reported -> waiting -> ...

The interval begins at the end of a run, as in HAProxy, and depends on the server's health after the outcome. All
probers share a `Pace`: runs that became due while the process was busy do not begin all at once, because sessions would
wait for them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy import config
from mailproxy.checks.check import BEGINNING, Check, Run
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.pace import Pace
from mailproxy.transport.outgoing import Target


class Health(Protocol):
    """A server's health, which decides the interval."""

    def interval(self, check: config.Check) -> float:
        """Return the seconds until the next check."""


class CheckedServer(Protocol):
    """The server that is checked, in one protocol: `mailproxy.balance.pool_server.PoolServer`."""

    @property
    def target(self) -> Target | None:
        """The address to connect to; None while it is unknown."""

    @property
    def health(self) -> Health | None:
        """Its health, which decides the interval; None: `inter`."""

    @property
    def state(self) -> str:
        """The state that the admin has set; in "maint" it is not checked."""


class Prober:
    """Checks one server in one protocol over and over (mutable)."""

    __slots__ = (
        "_call",
        "_check",
        "_clock",
        "_due",
        "_pace",
        "_random",
        "_report",
        "_run",
        "_runs",
        "_server",
        "_settings",
    )

    _log = Logger()

    def __init__(
        self,
        server: CheckedServer,
        settings: config.Check,
        check: Check,
        report: Callable[[Outcome], Any],
        *,
        clock: IReactorTime,
        pace: Pace,
        random: Callable[[], float] = random.random,
    ) -> None:
        """`report` is called with each outcome. `random` returns numbers from 0 to below 1."""
        self._server = server
        self._settings = settings
        self._check = check
        self._report = report
        self._clock = clock
        self._pace = pace
        self._random = random
        self._call: IDelayedCall | None = None
        self._due = 0.0
        self._run: Run | None = None
        self._runs = 0
        """Counts runs, so that the outcome of a cancelled run is not taken for the next one's."""

    @property
    def is_running(self) -> bool:
        """True while a check is under way."""
        return self._run is not None

    def start(self) -> None:
        """Begin at a random time of the first `inter`, so that many servers are not checked all at once."""
        self._wait(self._settings.inter * self._random())

    def stop(self) -> None:
        """Stop, and cancel the current run without an outcome."""
        self._runs += 1
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._run is not None:
            self._run.cancel()
            self._run = None

    def check_soon(self) -> None:
        """Begin the next run within `fastinter`: a session has failed."""
        if self._call is None:
            return
        settings = self._settings
        seconds = settings.inter if settings.fastinter is None else settings.fastinter
        if self._clock.seconds() + seconds < self._due:
            self._call.cancel()
            self._wait(seconds)

    def check_now(self) -> None:
        """Begin the next run at once, unless one is under way."""
        if self._call is not None:
            self._call.cancel()
            self._begin()

    def _wait(self, seconds: float) -> None:
        self._due = self._clock.seconds() + seconds
        self._call = self._clock.callLater(seconds, self._begin_when_due)

    def _begin_when_due(self) -> None:
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
        self._run = BEGINNING
        try:
            run = self._check.begin(target, lambda outcome: self._end_run(number, outcome))
        except Exception:
            self._log.failure("bug in {check}", check=self._check)
            self._end_run(number, Outcome(False, "internal error", 0.0))
            return
        if self._run is BEGINNING:
            self._run = run

    def _end_run(self, number: int, outcome: Outcome) -> None:
        if number != self._runs:
            return
        self._run = None
        try:
            self._report(outcome)
        finally:
            # `report` may have called `stop`.
            if number == self._runs:
                self._wait(self._interval())

    def _interval(self) -> float:
        health = self._server.health
        seconds = self._settings.inter if health is None else health.interval(self._settings)
        return seconds * (1 + self._settings.jitter / 100 * (2 * self._random() - 1))
