"""
Who waits for a server with room: one queue, in the order of arrival.

Not everybody can take every place, so those that can take the same ones stand in a line of their own: only the first of
each line has to be asked when a place is free, however long the queue is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from attrs import define

from mailproxy.balance.pool_server import AnyServer, PoolServer

GivenServer = TypeVar("GivenServer", bound=PoolServer, contravariant=True)


class Waiter(Protocol[GivenServer]):
    """A client that waits; compared by identity."""

    def turn(self, server: GivenServer) -> None:
        """A place on ``server`` is yours; give it back by ``leave``."""

    def no_turn(self) -> None:
        """You wait in vain: no server is left."""


@define(eq=False)
class Waiting(Generic[AnyServer]):
    """One who waits, and what for."""

    waiter: Waiter[AnyServer]
    key: bytes
    tried: Sequence[AnyServer]
    number: int
    line: AnyServer | None
    """With a sticky rule the server that the client waits for, else the one that it does not want again; or None."""
    since: float
    """When it began to wait; 0 where nobody wants to know."""


class Queue(Generic[AnyServer]):
    """Joining, leaving, and the first of each line take the same time however many wait."""

    def __init__(self) -> None:
        self._everybody: dict[Waiter[AnyServer], Waiting[AnyServer]] = {}
        self._lines: dict[AnyServer | None, dict[Waiter[AnyServer], Waiting[AnyServer]]] = {}
        self._joined = 0

    def __len__(self) -> int:
        return len(self._everybody)

    @property
    def since(self) -> float:
        """When the first of all began to wait; ``inf`` if nobody waits."""
        return next((waiting.since for waiting in self._everybody.values()), inf)

    def join(
        self,
        waiter: Waiter[AnyServer],
        key: bytes,
        tried: Sequence[AnyServer],
        line: AnyServer | None,
        since: float = 0.0,
    ) -> None:
        """Stand at the end."""
        self._joined += 1
        self._stand(Waiting(waiter, key, tried, self._joined, line, since))

    def _stand(self, waiting: Waiting[AnyServer]) -> None:
        self._everybody[waiting.waiter] = waiting
        self._lines.setdefault(waiting.line, {})[waiting.waiter] = waiting

    def remove(self, waiter: Waiter[AnyServer]) -> bool:
        """Leave the queue; False if the waiter is not in it."""
        waiting = self._everybody.pop(waiter, None)
        if waiting is None:
            return False
        line = self._lines[waiting.line]
        del line[waiter]
        if not line:
            del self._lines[waiting.line]
        return True

    def heads(self, moves: Callable[[AnyServer | None], bool]) -> Sequence[Waiting[AnyServer]]:
        """Return the first of each line that ``moves``, in the order of arrival."""
        heads = [next(iter(everybody.values())) for line, everybody in self._lines.items() if moves(line)]
        return sorted(heads, key=attrgetter("number"))

    def regroup(self, line: Callable[[bytes, Sequence[AnyServer]], AnyServer | None]) -> None:
        """Let everybody stand in the line that ``line`` says for their key and what they tried, in the same order."""
        everybody = self._everybody.values()
        self._everybody, self._lines = {}, {}
        for waiting in everybody:
            waiting.line = line(waiting.key, waiting.tried)
            self._stand(waiting)

    def pop(self) -> Waiter[AnyServer]:
        """Take the first of all out of the queue."""
        waiter = next(iter(self._everybody))
        self.remove(waiter)
        return waiter
