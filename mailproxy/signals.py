"""Signal handling of a process that serves, for all commands that run it."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.logger import Logger

# A configuration with errors is reported before the service's modules are imported.
if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from mailproxy.front.reload_queue import Reloaded
    from mailproxy.front.stop import Stop

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

# certbot's hooks and logrotate send these to programs that have to read or open files again. Their default action kills
# the process and leaves socket files behind.
RELOADS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Signalled(Protocol):
    """The service, as signals use it."""

    stop: Stop

    def reload(self) -> Deferred[Reloaded]:
        """Read the configuration again, and apply its changes."""

    def reopen_log(self) -> bool:
        """Open log files again, because they were renamed; return whether there are any."""


class Signals:
    """
    The signal handlers of a service, which may be there before its reactor is.

    A first SIGTERM, SIGINT or SIGQUIT stops the reactor, and with it the service. A second one ends all sessions, and
    so does a first one in a stop that has begun for another reason. The next one has its default action, which is to
    kill. SIGHUP reloads, SIGUSR1 opens log files again. SIGUSR2 is ignored, with a log line.

    A signal that is handled or ignored already stays so: by ``nohup``, a debugger, or the log rotation of ``twistd``.
    """

    _log = Logger(namespace="mailproxy")

    def __init__(self) -> None:
        self._service: Signalled
        self._reactor: Any = None
        """None until there is a service."""
        self._early: list[int] = []
        self._stops = 0
        self._actions = {signal.SIGHUP: self._hang_up, signal.SIGUSR1: self._reopen}

    def install(self, *, spare: Collection[signal.Signals] = ()) -> None:
        """
        Handle the signals from now on, as soon as there is a reactor; those in `spare` only if nothing handles them
        then.
        """
        self._take(set(STOPS + RELOADS).difference(spare), signal.SIG_DFL, signal.default_int_handler)

    def attach(self, reactor: Any, service: Signalled) -> None:
        """Handle signals to this service in its reactor, including those that have arrived already."""
        self._service = service
        self._reactor = reactor
        reactor.callWhenRunning(self._complete)
        while self._early:
            self._received(self._early.pop(0), None)

    def _complete(self) -> None:
        self._take(RELOADS, signal.SIG_DFL)
        # The reactor takes this one when it starts.
        self._take([signal.SIGTERM], self._reactor.sigTerm)

    def _take(self, numbers: Iterable[signal.Signals], *owners: object) -> None:
        """Handle the signals that are handled by one of `owners`."""
        for number in numbers:
            if signal.getsignal(number) in owners:
                signal.signal(number, self._received)

    def _received(self, number: int, frame: object) -> None:
        # A handler may interrupt any code: it leaves the work to the reactor.
        if self._reactor is None:
            self._early.append(number)
            return
        name = signal.Signals(number).name
        if number in RELOADS:
            self._reactor.callFromThread(self._actions.get(signal.Signals(number), self._ignore), name)
            return
        self._stops += 1
        if self._stops == 1 and not self._service.stop.has_begun:
            self._stop(number, name)
            return
        for stop in STOPS:
            if signal.getsignal(stop) == self._received:
                signal.signal(stop, signal.SIG_DFL)
        self._reactor.callFromThread(self._hurry, name)

    def _stop(self, number: int, name: str) -> None:
        # Twisted's own handlers remember the signal, by which `twist` and `twistd` then end.
        if number == signal.SIGTERM:
            self._reactor.sigTerm(number)
        elif number == signal.SIGINT:
            self._reactor.sigInt(number)
        else:
            self._reactor.callFromThread(self._quit, name)

    def _quit(self, name: str) -> None:
        self._log.info("Received {signal}, shutting down.", event="signal", signal=name)
        self._reactor.stop()

    def _hurry(self, name: str) -> None:
        self._log.warn("{signal} again: the remaining sessions end now", event="signal", signal=name)
        self._service.stop.hurry()

    def _hang_up(self, name: str) -> None:
        self._log.info("Received {signal}, reloading.", event="signal", signal=name)
        self._service.reload().addErrback(_do_nothing)

    def _reopen(self, name: str) -> None:
        if self._service.reopen_log():
            self._log.info("Received {signal}, opening log files again.", event="signal", signal=name)
        else:
            self._log.warn("{signal} is ignored: there is no log file; SIGHUP reloads", event="signal", signal=name)

    def _ignore(self, name: str) -> None:
        self._log.warn("{signal} is ignored; SIGHUP reloads", event="signal", signal=name)


def _do_nothing(failure: object) -> None:
    """Do nothing: a signal has no answer, and the log has the reason."""
