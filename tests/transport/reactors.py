"""Twisted's kinds of reactors, which a test makes and stops besides that of the process."""

from __future__ import annotations

import select
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.selectreactor import SelectReactor
from twisted.python.failure import Failure

from mailproxy.transport.reactor import PollerReactor


class _Closing:
    """Gives back what a reactor that has stopped still holds: Twisted's live as long as the process."""

    _internalReaders: set[Any]

    def close(self: Any) -> None:
        for descriptor in {*self.removeAll(), *self._internalReaders}:
            descriptor.connectionLost(Failure(ConnectionError()))


class ClosingSelectReactor(_Closing, SelectReactor):
    """Twisted's reactor on ``select``."""


class ClosingEPollReactor(_Closing, EPollReactor):
    """Twisted's reactor on epoll."""

    _poller: select.epoll

    def close(self) -> None:
        super().close()
        self._poller.close()


class ClosingPollerReactor(_Closing, PollerReactor):
    """Ours; closes its poller as well."""

    _poller: select.epoll

    def close(self) -> None:
        for call in self.getDelayedCalls():
            call.cancel()
        super().close()
        self._poller.close()
        self.poller.close()
