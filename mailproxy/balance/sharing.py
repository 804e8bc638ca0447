"""
What the pools of several processes know of each other, when these processes have the same servers.

Each process has a pool of its own, and picks by itself. What has to hold for all of them together, they tell each other
by a `Sharing`: how many sessions each server has, and who waits. It is asked before each decision, so no message is
needed for each session. Two processes that decide within the same moment do not see each other: a server may have one
session more than its ``maxconn`` for each further process, and the queue one client more than ``maxqueue``.

A place that comes free is for the client that has waited longest, wherever it waits. Its process is woken. When it does
not take the place within `PATIENCE_SECONDS`, others do: it may wait for another server, or be stopped.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from mailproxy.balance.pool_server import PoolServer

GivenServer = TypeVar("GivenServer", bound=PoolServer, contravariant=True)

# How long a place that is for a client of another process is left to it.
PATIENCE_SECONDS = 0.05


class Sharing(Protocol, Generic[GivenServer]):
    """The processes that share the servers of one pool."""

    def look(self) -> None:
        """Bring ``sessions`` of each server up to date: those of all processes."""

    def took(self, server: GivenServer) -> None:
        """Count a session of this process in."""

    def left(self, server: GivenServer) -> None:
        """Count a session of this process out."""

    @property
    def queued(self) -> int:
        """How many clients wait in other processes."""

    @property
    def waiting_since(self) -> float:
        """Since when the first of those in other processes waits; ``inf`` if there is none."""

    def now(self) -> float:
        """Return the time, by a clock that all processes have."""

    def wait(self, queued: int, since: float) -> None:
        """Tell the others how many clients wait in this process, and since when the first one does."""

    def wake(self) -> None:
        """Let the process of the client that has waited longest look for a place."""
