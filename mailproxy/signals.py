"""Signal handling of a process that serves, for all commands that run it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Iterable
from typing import Any

from twisted.logger import Logger

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

# certbot's hooks and logrotate send these to programs that have to read or open files again. Their default action kills
# the process and leaves socket files behind.
RELOADS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """
    The signal handlers of a service, which may be there before its reactor is.

    A first SIGTERM, SIGINT or SIGQUIT stops the reactor, and with it the service. A second one calls `stop_now`. A
    third one has its default action, which is to kill. SIGHUP calls `reload`, SIGUSR1 calls `reopen`. SIGUSR2 is
    ignored, with a log line.

    A signal that is handled or ignored already stays so: by ``nohup``, a debugger, or the log rotation of ``twistd``.
    """

    _log = Logger(namespace="mailproxy")

    def __init__(self) -> None:
        self._reactor: Any = None
        self._early: list[int] = []
        self._stops = 0
        self._actions = {signal.SIGHUP: self._hang_up, signal.SIGUSR1: self._reopen}
        self.stop_now: Callable[[], object] = lambda: None
        """Called for a second signal to stop."""
        self.is_stopping: Callable[[], bool] = lambda: False
        """Whether the service stops already, for another reason than a signal: then a first signal is a second one."""
        self.reload: Callable[[], object] = lambda: None
        """Called for SIGHUP."""
        self.reopen: Callable[[], bool] = lambda: False
        """Called for SIGUSR1: it opens log files again, and returns whether there are any."""

    def install(self, *, spare: Collection[signal.Signals] = ()) -> None:
        """
        Handle the signals from now on, as soon as there is a reactor; those in `spare` only if nothing handles them
        then.
        """
        self._take(set(STOPS + RELOADS).difference(spare), signal.SIG_DFL, signal.default_int_handler)

    def attach(self, reactor: Any) -> None:
        """Handle signals in this reactor, including those that have arrived already."""
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
        if self._stops == 1 and not self.is_stopping():
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
        self.stop_now()

    def _hang_up(self, name: str) -> None:
        self._log.info("Received {signal}, reloading.", event="signal", signal=name)
        self.reload()

    def _reopen(self, name: str) -> None:
        if self.reopen():
            self._log.info("Received {signal}, opening log files again.", event="signal", signal=name)
        else:
            self._log.warn("{signal} is ignored: there is no log file; SIGHUP reloads", event="signal", signal=name)

    def _ignore(self, name: str) -> None:
        self._log.warn("{signal} is ignored; SIGHUP reloads", event="signal", signal=name)
