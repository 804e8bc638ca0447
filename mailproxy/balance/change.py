"""What happened to a server or a pool: everything that a line of the log needs."""

from typing import Generic, Literal

from attrs import frozen

from mailproxy.balance.pool_server import AnyServer

Event = Literal[
    "up",
    "down",
    "ready",
    "drain",
    "maint",
    "weight",
    "maxconn",
    "backup",
    "active",
    "address",
    "no-address",
    "no-server",
]

STANDINGS: frozenset[Event] = frozenset({"up", "down", "ready", "drain", "maint", "address", "no-address"})
"""The events that say whether a server may have sessions; the others say how many."""


@frozen(kw_only=True)
class Change(Generic[AnyServer]):
    """One change; as many as there are changes, however often the same is said."""

    pool: str
    server: AnyServer
    """With "no-server": the last one that the pool had."""
    event: Event
    reason: str
    """Why, in words; may be empty."""
    active: int
    """Servers that are left for new sessions, room or not, and are not backups."""
    backup: int
    """The same of backups."""
    sessions: int
    """What the server has."""
    queued: int
    """Clients that wait for a place in the pool."""
