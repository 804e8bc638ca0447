"""The steps of slowstart without new clients: a waiting client may get the place that the next step frees."""

from __future__ import annotations

from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.transport.poller import Poller


class Slowstart:
    """Takes the steps of the servers of one backend for one protocol, from `start` to `stop`."""

    def __init__(self, backend: Backend, *, clock: IReactorTime, poller: Poller) -> None:
        self._backend = backend
        self._clock = clock
        self._poller = poller
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._backend.observers.append(self._changed)
        self._step()

    def stop(self) -> None:
        """Leave the servers where they have got to."""
        if self._changed in self._backend.observers:
            self._backend.observers.remove(self._changed)
        self._cancel()

    def _changed(self, change: Change[BackendServer]) -> None:
        self._plan()

    def _plan(self) -> None:
        due = self._backend.pool.refresh_at
        self._cancel()
        if due < inf:
            self._call = self._clock.callLater(max(due - self._poller.now, 0.0), self._step)

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _step(self) -> None:
        self._call = None
        self._backend.pool.refresh(self._poller.look_at_clock())
        self._plan()
