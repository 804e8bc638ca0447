"""
The counts of a front: counters, live sessions, and sessions of servers.

A single process counts for itself. Several processes that accept from the same sockets count together, with the
`Counts` in `mailproxy.process`.
"""

from __future__ import annotations

from typing import Any

from mailproxy.balance.pool import Pool
from mailproxy.front.capacity import Capacity
from mailproxy.session.counters import Counters


class Counts:
    """Counts for one process."""

    def counters(self, frontend: str) -> Counters:
        """Return the counters of a frontend; they begin at 0."""
        return Counters()

    def capacity(self, name: str) -> Capacity:
        """Return a limit on sessions; the caller sets its value later."""
        return Capacity(name, 0)

    def count_pool(self, backend: str, protocol: str, pool: Pool[Any]) -> None:
        """Tell a pool the sessions of other processes on its servers; it replaces the former pool for the same key."""
