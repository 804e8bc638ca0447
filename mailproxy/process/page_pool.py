"""The sessions and queues of one pool in several workers, through the pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Any
from weakref import ref

from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from mailproxy.counting.page import Numbers, Pages
from mailproxy.counting.places import Places

# Pages have whole numbers, so times are in microseconds.
_UNITS_PER_SECOND = 1_000_000


def queue_names(backend: str, protocol: str) -> tuple[str, str]:
    """Return the names of a pool's places: the number of waiting clients, and the start of the longest wait."""
    return f"queued {backend} {protocol}", f"since {backend} {protocol}"


def server_name(backend: str, protocol: str, server: str) -> str:
    """Return the name of the place of a server's number of sessions."""
    return f"sessions {backend} {protocol} {server}"


class PagePool:
    """The part of one process in a pool; the main process has no sessions and only reads (mutable)."""

    def __init__(
        self,
        backend: str,
        protocol: str,
        pool: Pool[Any],
        pages: Pages,
        number: int | None,
        places: Places,
        waits: Callable[[Pool[Any], bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`number` is that of the worker, None in the main process; `waits` is called when the queue begins or ends."""
        # The pool refers to this: a cycle would stay in memory after a reload, as the garbage collector seldom runs.
        self._pool = ref(pool)
        self._pages = pages
        self._number = number
        self._page: Numbers = pages.main if number is None else pages.workers[number]
        self._others = [(other, page) for other, page in enumerate(pages.workers) if other != number]
        self._servers = {server: places[server_name(backend, protocol, server.name)] for server in pool.servers}
        self._items = tuple(self._servers.items())
        self._queued, self._since = (places[name] for name in queue_names(backend, protocol))
        self._waits = waits
        self._clock = clock
        self.is_current = True
        """False when a later pool has the same servers: then that one publishes the queue."""

    def refresh_sessions(self) -> None:
        """Update ``sessions`` of each server: the sessions of all processes."""
        pages = self._pages.workers
        for server, place in self._items:
            sessions = 0
            for page in pages:
                sessions += page[place]
            server.sessions = sessions

    def took(self, server: PoolServer) -> None:
        """Count a new session of this process."""
        self._page[self._servers[server]] += 1

    def left(self, server: PoolServer) -> None:
        """Count the end of a session of this process."""
        self._page[self._servers[server]] -= 1

    @property
    def queued(self) -> int:
        """The number of clients that wait in other processes."""
        queued = self._queued
        return sum(page[queued] for _, page in self._others)

    @property
    def waiting_since(self) -> float:
        """The start of the longest wait in other processes; ``inf`` if no client waits there."""
        return self._longest()[0]

    def _longest(self) -> tuple[float, int]:
        """Return the start of the longest wait, and its process."""
        queued, since = self._queued, self._since
        waiting = [(page[since] / _UNITS_PER_SECOND, other) for other, page in self._others if page[queued]]
        return min(waiting) if waiting else (inf, -1)

    def now(self) -> float:
        """Return the time, by a clock that all processes share."""
        return self._clock()

    def wait(self, queued: int, since: float) -> None:
        """Publish the number of clients that wait in this process, and the start of the longest wait."""
        pool = self._pool()
        assert pool is not None  # it calls this
        self._waits(pool, queued > 0)
        if self.is_current and self._number is not None:
            self._page[self._since] = int(since * _UNITS_PER_SECOND) if queued else 0
            self._page[self._queued] = queued

    def wake(self) -> None:
        """Wake the process of the client that has waited longest, to take a free place."""
        _, number = self._longest()
        if number >= 0:
            self._pages.ring(number)
