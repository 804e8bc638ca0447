"""Servers and pools with valid defaults, and clients that wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mailproxy.balance.change import Change
from mailproxy.balance.health import Health
from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from mailproxy.balance.rule import RULES, Rule


def server(name: str = "a", **changes: Any) -> PoolServer:
    return PoolServer(**{"name": name, "target": ("192.0.2.1", 143), **changes})


def candidates(**weights: float) -> list[PoolServer]:
    """Servers that a rule may be asked about, as a pool leaves them."""
    made = [server(name, weight=weight) for name, weight in weights.items()]
    for one in made:
        one.settle(0)
    return made


class Recorder:
    """Remembers what a pool tells."""

    def __init__(self) -> None:
        self.changes: list[Change[PoolServer]] = []

    def __call__(self, change: Change[PoolServer]) -> None:
        self.changes.append(change)

    @property
    def events(self) -> list[str]:
        return [f"{change.server.name} {change.event}" for change in self.changes]


def pool(
    servers: Sequence[PoolServer],
    rule: str | Rule = "first",
    on_change: Callable[[Change[PoolServer]], None] = lambda change: None,
    **settings: Any,
) -> Pool[PoolServer]:
    chosen = RULES[rule] if isinstance(rule, str) else rule
    return Pool("dovecot", servers, chosen, on_change=on_change, **settings)


def checked(name: str = "a", *, rise: int = 1, fall: int = 1, **changes: Any) -> PoolServer:
    """A server whose first failed check marks it down, and whose first passed one marks it up."""
    return server(name, health=Health(rise=rise, fall=fall), **changes)


class Client:
    """A waiting client that records its calls."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.received: list[PoolServer | None] = []

    def __repr__(self) -> str:
        return f"Client {self.name}"

    def turn(self, server: PoolServer) -> None:
        self.received.append(server)

    def no_turn(self) -> None:
        self.received.append(None)
