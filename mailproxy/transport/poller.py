"""
One epoll object for all of our sockets, which calls their methods directly.

Twisted's epoll reactor spends about a third of a small round trip between epoll and the descriptor's method
(``callWithLogger``, ``_doReadOrWrite``). A `Poller` keeps a dict from descriptor to callable instead. It sits in any
reactor that has ``addReader`` as one readable descriptor (an epoll object is itself pollable), or in front of the
reactor's own (`mailproxy.transport.reactor`), which saves one ``epoll_wait`` a turn.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

READ = select.EPOLLIN | select.EPOLLRDHUP
"""The events to watch for reading: bytes, or their end."""

BYTES = select.EPOLLIN
"""The event mask if there are bytes to read, and no end."""

END = select.EPOLLRDHUP
"""Also reported after the other side's FIN."""

WRITE = select.EPOLLOUT

GONE = select.EPOLLERR | select.EPOLLHUP
"""Always reported: the connection is broken, or ended both ways."""

EDGE = select.EPOLLET
"""An addition to others: report new bytes once, not unread bytes again and again."""

EXCLUSIVE = select.EPOLLEXCLUSIVE
"""An addition to `BYTES`: of several processes that wait for a listening socket, only one is woken."""

# The most events of one call: the result array is allocated for every call, so bigger is not better.
EVENTS_PER_POLL = 128

Ready = Callable[[int], object]


@implementer(IReadDescriptor)
class Poller:
    """
    Readiness of many sockets, level-triggered.

    A callable is called with the epoll event mask. If its descriptor was closed and reused within the same batch of
    events, it may get the old descriptor's event, so it must try its operation rather than trust the mask.
    """

    _log = Logger()

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, epoll: select.epoll | None = None) -> None:
        """Wait in an epoll object, by default a new one, which is closed with the poller."""
        self._epoll = select.epoll() if epoll is None else epoll
        self._monotonic = monotonic
        self.ready: dict[int, Ready] = {}
        self.now = monotonic()
        """The time of the last batch of events, in seconds: the relay uses it in place of the clock."""
        self.batch = 0
        """The number of events in the last batch."""
        self._collects = False
        """True in a batch of several events: `at_end` collects calls."""
        self._last: list[Callable[[], object]] = []

    def look_at_clock(self) -> float:
        """Bring `now` up to date between two batches, for timers; return it."""
        self.now = self._monotonic()
        return self.now

    def add(self, descriptor: int, ready: Ready, events: int) -> None:
        """Watch a descriptor."""
        self.ready[descriptor] = ready
        self._epoll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self._epoll.modify(descriptor, events)

    def pause(self, descriptor: int) -> None:
        """Stop watching a descriptor until `resume`."""
        self._epoll.unregister(descriptor)

    def resume(self, descriptor: int, events: int) -> None:
        """Watch a paused descriptor again."""
        self._epoll.register(descriptor, events)

    def remove(self, descriptor: int) -> None:
        """Forget a descriptor that is about to be closed; closing removes it from epoll."""
        self.ready.pop(descriptor, None)

    def poll(self, seconds: float) -> None:
        """Wait for events for `seconds` at most (-1: for ever), and call what is ready."""
        events = self._epoll.poll(seconds, EVENTS_PER_POLL)
        self.now = self._monotonic()
        self.batch = size = len(events)
        if size > 1:
            self._collects = True
        find = self.ready.get
        for descriptor, event in events:
            ready = find(descriptor)
            if ready is not None:
                try:
                    ready(event)
                except Exception:
                    self._broke(descriptor, ready)
        if self._collects:
            self._end_batch()

    def _end_batch(self) -> None:
        for call in self._last:  # one may add others
            try:
                call()
            except Exception:
                self._broke(-1, call)
        self._last.clear()
        self._collects = False

    def at_end(self, call: Callable[[], object]) -> None:
        """Call something after the last event of this batch; at once if it has only one, or between two batches."""
        if self._collects:
            self._last.append(call)
        else:
            call()

    def _broke(self, descriptor: int, ready: Callable[..., object]) -> None:
        # Our bug, whatever the peer sent: this connection ends, the others continue.
        self._log.failure("bug in {ready}", ready=ready)
        broke = getattr(getattr(ready, "__self__", None), "broke", None)
        if broke is not None:
            try:
                broke()
            except Exception:
                self._log.failure("bug in {broke}", broke=broke)
            else:
                return
        # It has no owner that could end it, but at least its event is not repeated for ever.
        if self.ready.get(descriptor) == ready:
            self.remove(descriptor)
            with suppress(OSError):
                self.pause(descriptor)

    def attach(self, reactor: IReactorFDSet) -> None:
        """Let a reactor poll this poller, for as long as the reactor runs."""
        reactor.addReader(self)

    def detach(self, reactor: IReactorFDSet) -> None:
        """Undo `attach`."""
        reactor.removeReader(self)

    def close(self) -> None:
        """Close the epoll object."""
        self._epoll.close()

    # IReadDescriptor, for reactors that poll this poller.

    def fileno(self) -> int:
        """Return the epoll object's descriptor."""
        return self._epoll.fileno()

    def doRead(self) -> None:
        """Handle what is ready, without waiting."""
        self.poll(0)

    def connectionLost(self, reason: Failure) -> None:
        """Nothing: the reactor stops."""

    def logPrefix(self) -> str:
        """Name this descriptor in Twisted's logs."""
        return "mailproxy"
