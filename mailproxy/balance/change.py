"""A change of a server or a pool, with everything for a line of the log."""

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


@frozen(kw_only=True)
class Change(Generic[AnyServer]):
    """One change; a repeated setting without an effect is not a change."""

    pool: str
    server: AnyServer
    """With "no-server": the last one that the pool had."""
    event: Event
    reason: str
    """The reason, in words; may be empty."""
    active: int
    """The servers without backups that may get new sessions, full or not."""
    backup: int
    """The backups that may get new sessions."""
    sessions: int
    """The server's sessions."""
    queued: int
    """The clients that wait for a place in the pool."""
