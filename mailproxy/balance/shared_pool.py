"""
The state that pools of several processes with the same servers share.

Each process has its own pool, and picks by itself. A `SharedPool` has the state of all processes together: the sessions
of each server, and the waiting clients. A pool reads it before each decision, so that sessions need no messages. Two
processes that decide at the same moment do not see each other: each further process may exceed a server's ``maxconn``
by one session, and ``maxqueue`` by one client.

A free place is for the client that has waited longest, in any process, and that process is woken. If it does not take
the place within `PATIENCE_SECONDS`, others may: it may wait for another server, or be stopped.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from mailproxy.balance.pool_server import PoolServer

GivenServer = TypeVar("GivenServer", bound=PoolServer, contravariant=True)

# How long a place is kept for a client of another process.
PATIENCE_SECONDS = 0.05


class SharedPool(Protocol, Generic[GivenServer]):
    """The processes that share the servers of one pool."""

    def refresh_sessions(self) -> None:
        """Update ``sessions`` of each server: the sessions of all processes."""

    def took(self, server: GivenServer) -> None:
        """Count a new session of this process."""

    def left(self, server: GivenServer) -> None:
        """Count the end of a session of this process."""

    @property
    def queued(self) -> int:
        """The number of clients that wait in other processes."""

    @property
    def waiting_since(self) -> float:
        """The time at which the first client in other processes began to wait; ``inf`` if there is none."""

    def now(self) -> float:
        """Return the time of a clock that all processes share."""

    def wait(self, queued: int, since: float) -> None:
        """Publish the number of clients that wait in this process, and the start of the longest wait."""

    def wake(self) -> None:
        """Wake the process of the client that has waited longest, to take a free place."""
