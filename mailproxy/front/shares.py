"""
The counts of a front: its counters, live sessions, sessions of servers.

One process that accepts alone counts by itself. Several that accept from the same sockets count together: that is
another `Shares`, in `mailproxy.process`.
"""

from __future__ import annotations

from typing import Any

from mailproxy.balance.pool import Pool
from mailproxy.front.capacity import Capacity
from mailproxy.session.counters import Counters


class Shares:
    """Counts for one process."""

    def counters(self, frontend: str) -> Counters:
        """Return the counters of a frontend, which begin at 0."""
        return Counters()

    def capacity(self, name: str) -> Capacity:
        """Return a limit on sessions; its value is set later."""
        return Capacity(name, 0)

    def share(self, backend: str, protocol: str, pool: Pool[Any]) -> None:
        """Let a pool know the sessions of other processes on its servers, in place of the one before for the same."""
