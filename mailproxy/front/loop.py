"""The objects that one process keeps on its reactor as long as it runs, across configurations."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from mailproxy import config
from mailproxy.checks.pace import Pace
from mailproxy.checks.timeouts import Timeouts
from mailproxy.session.log import SessionLog
from mailproxy.session.sampling import Sampler
from mailproxy.session.tarpit import Places
from mailproxy.transport.deadlines import Deadlines
from mailproxy.transport.poller import Poller

if TYPE_CHECKING:
    from mailproxy.names.names import Names


class Loop:
    """The poller and its timers; make it in the process that runs it, after a fork."""

    def __init__(self, reactor: Any, stamp: int | None = None) -> None:
        """`stamp` is a number that no earlier process of mailproxy has had; None: made from the time."""
        self.reactor = reactor
        # In front of the reactor if it is ours, else inside it.
        own = getattr(reactor, "poller", None)
        self.poller: Poller = own or Poller()
        self._is_inside = own is None
        self.deadlines = Deadlines(reactor, self.poller)
        self.timeouts = Timeouts(reactor)
        self.pace = Pace()
        self.sampler = Sampler(reactor)
        self.tarpits = Places()
        """The places for clients that wait before a rule refuses them."""
        self.log = SessionLog(reactor, self.sampler)
        self.process = f"{stamp or new_stamp():x}"
        """Distinguishes the ids of this process's sessions from those of other processes."""
        self.identify = itertools.count(1).__next__
        """Returns the next session's number."""

        self._names: Names | None = None
        self._resolvers: config.Resolvers | None = None

    def names(self, resolvers: config.Resolvers) -> Names:
        """Return the follower of host names: the same one while the resolvers are the same."""
        # It brings DNS, which a configuration without host names does not need.
        from mailproxy.names.names import Names

        if self._names is None or resolvers != self._resolvers:
            self._names = Names(resolvers, self.reactor)
            self._resolvers = resolvers
        return self._names

    def leave(self, names: Names) -> None:
        """Stop following names, unless a later reading of the configuration uses them."""
        if names is not self._names:
            names.stop()

    def start(self) -> None:
        """Begin to poll."""
        if self._is_inside:
            self.poller.attach(self.reactor)

    def stop(self) -> None:
        """Stop polling."""
        if self._names is not None:
            self._names.stop()
        self.log.flush()
        self.sampler.flush()  # after the sessions, which it may count
        if self._is_inside:
            self.poller.detach(self.reactor)
            self.poller.close()


def new_stamp() -> int:
    """Return a number that no earlier process of mailproxy has had, if they begin in different microseconds."""
    return time.time_ns() // 1000
