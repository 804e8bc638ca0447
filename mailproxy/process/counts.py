"""The counts of several processes together, in the main process and in a worker."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.balance.pool import Pool
from mailproxy.balance.shared_pool import PATIENCE_SECONDS
from mailproxy.config import Config
from mailproxy.counting.block import Block
from mailproxy.counting.page import Numbers, Pages
from mailproxy.counting.places import BEAT
from mailproxy.front.capacity import Capacity
from mailproxy.front.counts import PROCESS_NAME, Counts, pace_name
from mailproxy.process.page_pool import PagePool, queue_names, server_name
from mailproxy.process.shared_capacity import SharedCapacity, WatchedCapacity, limit_names
from mailproxy.sources.sources import Sources
from mailproxy.sources.table import Table


class PageCounts(Counts):
    """Counts in the pages; the base of `MainCounts` and `WorkerCounts`."""

    def __init__(self, pages: Pages, number: int | None) -> None:
        super().__init__(pages)
        self._number = number
        self._pools: dict[tuple[str, str], PagePool] = {}

    def count_pool(self, backend: str, protocol: str, pool: Pool[Any]) -> None:
        """Let a pool's servers count in this process's page, and give it the sessions of other processes."""
        super().count_pool(backend, protocol, pool)
        before = self._pools.get((backend, protocol))
        if before is not None:
            before.is_current = False
        shared = PagePool(backend, protocol, pool, self.pages, self._number, self.places, self._waits)
        self._pools[backend, protocol] = shared
        pool.share_with_processes(shared)

    def _waits(self, pool: Pool[Any], has_queue: bool) -> None:
        """Note whether a pool has clients that wait."""


class MainCounts(PageCounts):
    """The counts in the main process: it has no sessions, and sees those of all workers."""

    def __init__(self, pages: Pages) -> None:
        super().__init__(pages, None)
        self.tables: tuple[Table, ...] = ()
        """The tables of sources of the workers."""

    def share_sources(self, size: int) -> None:
        """Make the tables of sources, for `size` of them together, before there is a worker."""
        workers = len(self.pages.workers)
        self.tables = tuple(Table(size // workers) for _ in range(workers))

    def _make_sources(self, size: int) -> Sources:
        return Sources(self.tables, None)

    def _names(self, settings: Config) -> Iterator[tuple[str, int]]:
        yield from super()._names(settings)
        for name in _single_names(settings):
            yield name, 1

    def capacity(self, name: str) -> Capacity:
        """Return a limit on the sessions of all workers (read-only)."""
        return WatchedCapacity(name, self.pages.workers, self.places)

    def fold(self, worker: int) -> None:
        """Keep the counters of an ended worker, and forget its sessions."""
        self.pages.fold(worker, self.places.counters)
        if self.tables:
            self.tables[worker].give_back()


class WorkerCounts(PageCounts):
    """The counts in a worker: it writes its own page, and is woken when a place that it waits for is free."""

    def __init__(self, pages: Pages, number: int, clock: IReactorTime, tables: Sequence[Table] = ()) -> None:
        """`tables` are those of the sources of all workers."""
        super().__init__(pages, number)
        self._tables = tables
        self._clock = clock
        self._bell = pages.bells[number]
        self._capacities: list[SharedCapacity] = []
        self._waiting: set[Pool[Any]] = set()
        self._call: IDelayedCall | None = None

    def assign_places(self, settings: Config) -> None:
        """Assign nothing: a worker gets the places that the main process has assigned."""

    def process(self) -> tuple[Block, Numbers]:
        """Return what processes count of themselves, and the state of this process."""
        return self._block(PROCESS_NAME), self._state_of(self.pages.workers[self.number])

    def _block(self, name: str) -> Block:
        numbers = self.pages.workers[self.number][self.places.block(name)]
        return Block(numbers, (numbers,))

    def pace(self, frontend: str) -> tuple[Numbers, Sequence[Numbers]]:
        """Return the numbers of a frontend's new connections: this worker's, and those of all workers."""
        place = self.places.block(pace_name(frontend))
        every = tuple(page[place] for page in self.pages.workers)
        return every[self.number], every

    def _make_sources(self, size: int) -> Sources:
        return Sources(self._tables, self._tables[self.number])

    @property
    def number(self) -> int:
        """The worker's number."""
        assert self._number is not None
        return self._number

    def capacity(self, name: str) -> Capacity:
        """Return a limit on the sessions of all workers."""
        made = SharedCapacity(name, self.pages, self.number, self.places)
        self._capacities.append(made)
        return made

    def beat(self, number: int) -> None:
        """Write a sign of life."""
        self.pages.workers[self.number][BEAT] = number

    @property
    def bell(self) -> int:
        """The descriptor that wakes this worker; call `rung` when it is readable."""
        return self._bell

    def rung(self, events: int) -> None:
        """Check for places that other processes have freed."""
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return
        for capacity in self._capacities:
            capacity.resume_if_room()
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
        """Stop the checks."""
        if self._call is not None:
            self._call.cancel()
            self._call = None


def _single_names(settings: Config) -> Iterator[str]:
    """Yield the names of the numbers that are places of their own."""
    yield from limit_names("maxconn")
    for frontend in settings.frontends:
        yield from limit_names(f"maxconn of {frontend.name}")
        yield from limit_names(f"handshakes of {frontend.name}")
    for backend, protocol in settings.used_backends:
        yield from queue_names(backend, protocol)
        for server in settings.backends[backend].servers:
            for slot in server.slots:
                yield server_name(backend, protocol, slot)
