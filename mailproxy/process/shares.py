"""What several processes count together, from the main process's end and from a worker's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.balance.pool import Pool
from mailproxy.balance.sharing import PATIENCE_SECONDS
from mailproxy.config import Config
from mailproxy.front.capacity import Capacity
from mailproxy.front.shares import Shares
from mailproxy.process.counting import PageCounters, SumOfCounters, counter_names
from mailproxy.process.limit import SharedCapacity, WatchedCapacity, limit_names
from mailproxy.process.page import Pages, Places
from mailproxy.process.sharing import PageSharing, queue_names, server_name
from mailproxy.session.counters import Counters


def names_of(settings: Config) -> Iterator[str]:
    """Yield what a configuration has to be counted in the pages."""
    yield from limit_names("maxconn")
    for frontend in settings.frontends:
        yield from limit_names(f"maxconn of {frontend.name}")
        yield from counter_names(frontend.name)
        yield from queue_names(frontend.backend, frontend.protocol)
        for server in settings.backends[frontend.backend].servers:
            for slot in server.slots:
                yield server_name(frontend.backend, frontend.protocol, slot)


class PageShares(Shares):
    """What is counted in pages; a base of the two ends."""

    def __init__(self, pages: Pages, number: int | None) -> None:
        self.pages = pages
        self.places = Places()
        self._number = number
        self._sharings: dict[tuple[str, str], PageSharing] = {}

    def share(self, backend: str, protocol: str, pool: Pool[Any]) -> None:
        """Let a pool know the sessions of other processes on its servers, in place of the one before for the same."""
        before = self._sharings.get((backend, protocol))
        if before is not None:
            before.is_current = False
        sharing = PageSharing(backend, protocol, pool, self.pages, self._number, self.places, self._waits)
        self._sharings[backend, protocol] = sharing
        pool.share_with_processes(sharing)

    def _waits(self, pool: Pool[Any], has_queue: bool) -> None:
        """Be told whether a pool has clients that wait."""


class MainShares(PageShares):
    """The main process's end: it has no sessions, and sees those of all."""

    def __init__(self, pages: Pages) -> None:
        super().__init__(pages, None)

    def know(self, settings: Config) -> None:
        """Have a place for each number of a configuration; `NoRoomError` if that cannot be."""
        self.places.add(names_of(settings))
        self.pages.used = len(self.places)

    def counters(self, frontend: str) -> Counters:
        """Return what all processes have counted on a frontend, also those that have ended."""
        return SumOfCounters(self.pages.all, frontend, self.places)

    def capacity(self, name: str) -> Capacity:
        """Return a bound on the sessions of all workers, to be looked at."""
        return WatchedCapacity(name, self.pages.workers, self.places)

    def fold(self, worker: int) -> None:
        """Keep what a worker that has ended counted, and forget its sessions."""
        self.pages.fold(worker, self.places.counters)


class WorkerShares(PageShares):
    """A worker's end: it writes its own page, and is woken when a place comes free that it waits for."""

    def __init__(self, pages: Pages, number: int, clock: IReactorTime) -> None:
        super().__init__(pages, number)
        self._clock = clock
        self._bell = pages.bells[number]
        self._capacities: list[SharedCapacity] = []
        self._waiting: set[Pool[Any]] = set()
        self._call: IDelayedCall | None = None

    def counters(self, frontend: str) -> Counters:
        """Return what this worker counts on a frontend."""
        return PageCounters(self.pages.workers[self.number], frontend, self.places)

    @property
    def number(self) -> int:
        """The worker's number."""
        assert self._number is not None
        return self._number

    def capacity(self, name: str) -> Capacity:
        """Return a bound on the sessions of all workers."""
        made = SharedCapacity(name, self.pages, self.number, self.places)
        self._capacities.append(made)
        return made

    def beat(self, number: int) -> None:
        """Show that this worker lives."""
        self.pages.workers[self.number][0] = number

    @property
    def bell(self) -> int:
        """The descriptor that wakes this worker; `rung` is to be called when it can be read."""
        return self._bell

    def rung(self, events: int) -> None:
        """Look for what has come free in other processes."""
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return
        for capacity in self._capacities:
            capacity.look()
        for pool in tuple(self._waiting):
            pool.woken()

    def _waits(self, pool: Pool[Any], has_queue: bool) -> None:
        if has_queue:
            self._waiting.add(pool)
            if self._call is None:
                self._call = self._clock.callLater(PATIENCE_SECONDS, self._lose_patience)
        else:
            self._waiting.discard(pool)

    def _lose_patience(self) -> None:
        self._call = None
        for pool in tuple(self._waiting):
            pool.woken(is_patient=False)
        if self._waiting and self._call is None:
            self._call = self._clock.callLater(PATIENCE_SECONDS, self._lose_patience)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
