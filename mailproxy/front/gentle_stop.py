"""
The gentle stop of a process: how its sessions end.

Theory of operation. Three times follow each other, each of which may be 0, and a fourth bounds the last::

    drain-delay      not ready any more, for balancers to see; clients are accepted as before
    drain-timeout    nobody is accepted; sessions end by themselves
    drain-spread     each session is ended at a moment of its own, as soon as nothing is interrupted
    hard-stop-after  those that are still busy have this long

It is over as soon as there is no session. `hurry` ends all that is left at once, at any time.
"""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mailproxy import config
from mailproxy.front.generation import Generation
from mailproxy.front.goodbyes import LOOK_SECONDS, Goodbyes, GoodbyeSettings
from mailproxy.front.loop import Loop
from mailproxy.front.sockets import Sockets
from mailproxy.session.counters import counted

_log = Logger(namespace="mailproxy")


@frozen
class StopTimes:
    """The times of a stop, in seconds."""

    delay: float = 0.0
    timeout: float = 0.0
    spread: float = 0.0
    hard: float = 0.0

    @classmethod
    def of(cls, settings: config.Config) -> StopTimes:
        """Return the configuration's times."""
        return cls(settings.drain_delay, settings.drain_timeout, settings.drain_spread, settings.hard_stop_after)

    @property
    def total(self) -> float:
        """The longest time of the stop."""
        return self.delay + self.timeout + self.spread + self.hard


class GentleStop:
    """The stop of one generation and those before it (mutable)."""

    def __init__(self, generation: Generation, sockets: Sockets, times: StopTimes, loop: Loop) -> None:
        self._generation = generation
        self._sockets = sockets
        self._times = times
        self._loop = loop
        self._goodbyes: Goodbyes | None = None
        self._call: IDelayedCall | None = None
        self._leave_alone_until = 0.0
        self._is_accepting = True
        self._done: Deferred[None] = Deferred()

    def begin(self) -> Deferred[None]:
        """Begin; the Deferred fires when no session is left and nothing listens."""
        delay = self._times.delay
        if delay:
            _log.info(
                "not ready any more, clients are accepted for another {seconds:g} s", event="draining", seconds=delay
            )
            self._call = self._loop.reactor.callLater(delay, self._stop_accepting)
        else:
            self._stop_accepting()
        return self._done

    def hurry(self) -> None:
        """End all sessions now."""
        self._times = StopTimes()
        if self._goodbyes is not None:
            self._goodbyes.hurry()
        elif self._call is not None:
            self._call.cancel()
            self._call = None
            self._stop_accepting()

    def _stop_accepting(self) -> None:
        self._call = None
        if self._is_accepting:
            self._is_accepting = False
            # Clients in the kernel's queue would be reset, and there is time to serve them.
            self._generation.stop_accepting(takes_waiting=self._times.timeout > 0)
            self._sockets.close()
            self._leave_alone_until = self._loop.reactor.seconds() + self._times.timeout
            live = sum(1 for _ in self._generation.sessions)
            if self._times.timeout and live:
                _log.info(
                    f"no client is accepted any more, {counted(live, 'sessions')} may end within {{seconds:g}} s",
                    event="draining",
                    seconds=self._times.timeout,
                    sessions=live,
                )
        self._leave_alone()

    def _leave_alone(self) -> None:
        """Wait until there is no session, at most for the time in which they may end by themselves."""
        self._call = None
        left = self._leave_alone_until - self._loop.reactor.seconds()
        if self._times.timeout and left > 0 and any(True for _ in self._generation.sessions):
            self._call = self._loop.reactor.callLater(min(LOOK_SECONDS, left), self._leave_alone)
            return
        generation = self._generation
        generation.retire()
        self._goodbyes = Goodbyes(
            lambda: generation.sessions,
            GoodbyeSettings(self._times.spread, self._times.hard),
            clock=self._loop.reactor,
            poller=self._loop.poller,
        )
        self._goodbyes.begin().addCallback(self._done.callback)
