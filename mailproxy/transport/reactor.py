"""
Twisted's epoll reactor with our poller in front of it.

The reactor waits in the poller's epoll object, in which its own is another descriptor: our sockets avoid Twisted's
dispatch, and everything else on the reactor works as before. ``mailproxy run`` installs it; ``twistd --reactor
mailproxy`` chooses it.
"""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor

from mailproxy.transport.poller import READ, Poller


class PollerReactor(EPollReactor):
    """An `EPollReactor` that waits in its `poller`, and whose timers go by the monotonic clock."""

    seconds = staticmethod(time.monotonic)

    def __init__(self, poller: Poller | None = None) -> None:
        """Wait in a poller, by default a new one."""
        super().__init__()
        self.poller = Poller() if poller is None else poller
        # `_poller` is private; a test fails if Twisted renames it.
        self.poller.add(self._poller.fileno(), self._poll_descriptors, READ)

    def _poll_descriptors(self, events: int) -> None:
        super().doPoll(0)

    def broke(self) -> None:
        """Continue after a bug in Twisted's part, as its main loop would."""

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events for `timeout` seconds at most, for ever with None."""
        self.poller.poll(-1 if timeout is None else timeout)

    doIteration = doPoll


def install(poller: Poller | None = None) -> PollerReactor:
    """Make this the process's reactor, by default with a new poller."""
    reactor = PollerReactor(poller)
    installReactor(reactor)
    return reactor


def use_monotonic_clock(reactor: Any) -> None:
    """
    Let the timers of another reactor go by the monotonic clock from now on, if it has none under way.

    Twisted's go by the wall clock: when that is set back by a day, nothing is due for a day.
    """
    if not reactor.getDelayedCalls():
        reactor.seconds = time.monotonic
