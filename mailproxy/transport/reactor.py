"""
Twisted's epoll reactor with our poller in front of it.

The reactor waits in the poller's epoll object, in which its own is another descriptor: our sockets avoid Twisted's
dispatch, and everything else on the reactor works as before. ``mailproxy run`` installs it; ``twistd --reactor
mailproxy`` chooses it.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor

from mailproxy.transport.poller import READ, Poller

# epoll takes milliseconds in 31 bits.
_LONGEST_SECONDS = 86_400.0


class PollerReactor(EPollReactor):
    """An `EPollReactor` that waits in its `poller`, and whose timers go by the monotonic clock."""

    seconds = staticmethod(monotonic)

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
        """
        Wait for events for `timeout` seconds at most, for ever with None.

        While the reactor runs, this goes on until Twisted's loop has something to do: a timer is due or new, another
        thread has left a call, or the reactor stops. A turn of that loop costs as much as what Python does for a small
        round trip, which needs two.
        """
        poll = self.poller.poll
        poll(-1 if timeout is None else timeout)
        # These are private, too, but for the queue.
        while self._started and not (self._newTimedCalls or self.threadCallQueue or self._justStopped):
            timers = self._pendingTimedCalls
            if timers:
                wait = timers[0].time - monotonic()
                if wait <= 0:
                    return
                poll(wait if wait < _LONGEST_SECONDS else _LONGEST_SECONDS)  # `min` takes longer
            else:
                poll(-1)

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
        reactor.seconds = monotonic
