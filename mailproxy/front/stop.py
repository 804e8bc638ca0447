"""
The stop of a service: it begins once, may be hurried, and ends the process with an exit status.

Theory of operation. `ask`, `drain` and `leave` stop the reactor, as a first signal does. The reactor then calls the
service's `stopService`, which calls `end_sessions`. `hurry` ends all sessions at once, before that or later.
"""

from __future__ import annotations

from typing import Any, Protocol

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailproxy.front.generation import Generation
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.process_state import ProcessState
from mailproxy.front.role import Role
from mailproxy.front.supervisor import Supervisor
from mailproxy.session.counters import counted

# How long sessions live on in a process that another one has followed, and over what time they are asked to go then. An
# hour is long for a delivery or a download; and IDLE, which has no end, must end some day.
LEAVE_SECONDS = 3600.0
LEAVE_SPREAD_SECONDS = 60.0


class SessionsEnd(Protocol):
    """Ends all sessions of a service."""

    def begin(self) -> Deferred[None]:
        """Begin; the Deferred fires when no session is left and nothing listens."""

    def hurry(self) -> None:
        """End all sessions now."""


class Stoppable(Protocol):
    """The service, as its stop uses it."""

    role: Role
    supervisor: Supervisor

    @property
    def process_state(self) -> ProcessState:
        """The objects that live as long as the process."""

    @property
    def generation(self) -> Generation:
        """The current generation."""

    def hand_over(self) -> None:
        """Let another process, which has the listening sockets, accept all clients."""

    def make_end(self, times: StopTimes) -> SessionsEnd:
        """Return what ends all sessions within these times."""


class Stop:
    """The stop of a service (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, service: Stoppable, reactor: Any) -> None:
        self._service = service
        self._reactor = reactor
        self.has_begun = False
        self.exit_status = 0
        """The exit status of the process."""
        self.times: StopTimes | None = None
        """The times of the stop; None: those of the configuration."""
        self._end: SessionsEnd | None = None

    def ask(self) -> None:
        """Begin the stop, as SIGTERM does; the second time, end all sessions at once."""
        if self.has_begun:
            self.hurry()
        else:
            self.has_begun = True
            self._reactor.callLater(0, self._reactor.stop)

    def drain(self, *, delay: float | None = None, timeout: float | None = None, spread: float | None = None) -> None:
        """
        Begin the stop with other times than the configuration's, in seconds; None: the configuration's.

        A stop that has begun is not changed.
        """
        changes = {"delay": delay, "timeout": timeout, "spread": spread}
        given = {name: seconds for name, seconds in changes.items() if seconds is not None}
        self._begin(evolve(StopTimes.of(self._service.generation.settings), **given))

    def leave(self, times: StopTimes) -> None:
        """
        Begin the stop of this process, whose listening sockets another process has and accepts from.

        With `times_to_leave`, no client is refused, and none is cut off for a while.
        """
        self._service.hand_over()
        self._log.info("another process has the listening sockets from now on", event="handed-over")
        self._begin(times)

    def times_to_leave(self, *, timeout: float | None = None, spread: float | None = None) -> StopTimes:
        """
        Return the times of `leave`.

        None is the configuration's time, or if that is 0, `LEAVE_SECONDS` and `LEAVE_SPREAD_SECONDS`.
        """
        settings = self._service.generation.settings
        return evolve(
            StopTimes.of(settings),
            delay=0.0,
            timeout=settings.drain_timeout or LEAVE_SECONDS if timeout is None else timeout,
            spread=settings.drain_spread or LEAVE_SPREAD_SECONDS if spread is None else spread,
        )

    def _begin(self, times: StopTimes) -> None:
        if not self.has_begun:
            self.times = times
            self.ask()

    def hurry(self) -> None:
        """End all sessions at once, in the current stop or a later one."""
        self.times = StopTimes()
        if self._end is not None:
            self._end.hurry()

    def end_sessions(self) -> Deferred[None]:
        """Stop accepting and end the sessions politely; the Deferred fires when there are none."""
        self.has_begun = True
        service = self._service
        times = self.times or StopTimes.of(service.generation.settings)
        if service.role.is_main:
            self._announce(times)
        self._end = service.make_end(times)
        return self._end.begin()

    def _announce(self, times: StopTimes) -> None:
        state = self._service.process_state
        live = state.total.sessions
        self._log.info(
            f"stopping, with up to {{seconds:g}} s for {counted(live, 'sessions')}",
            event="stopping",
            sessions=live,
            seconds=times.total,
        )
        # A client in the queue, which the next process takes, is not to wait for sessions that take their time.
        keeps_sockets = times.timeout + times.spread == 0
        if self._service.supervisor.stopping(times.total, keeps_sockets=keeps_sockets):
            state.sockets.share(with_others=True)
