"""
The clients that wait for a server with room: one queue, in the order of arrival.

Not every client can use every place. Clients that can use the same places form a line: when a place is free, only the
first of each line has to be checked, however long the queue is.
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
        """A place on ``server`` is taken for this client; give it back by ``leave``."""

    def no_turn(self) -> None:
        """No server is left: the wait is over."""


@define(eq=False)
class Waiting(Generic[AnyServer]):
    """A waiting client, and its conditions."""

    waiter: Waiter[AnyServer]
    key: bytes
    tried: Sequence[AnyServer]
    number: int
    line: AnyServer | None
    """
    With a sticky rule, the server that the client waits for; else the server that it should not get again; or None.
    """
    since: float
    """The time at which it began to wait; 0 if it is not needed."""


class Queue(Generic[AnyServer]):
    """A queue in which joining, leaving and finding the first of each line take constant time."""

    def __init__(self) -> None:
        self.everybody: dict[Waiter[AnyServer], Waiting[AnyServer]] = {}
        """All who wait, in the order in which they joined; only the queue changes it."""
        self._lines: dict[AnyServer | None, dict[Waiter[AnyServer], Waiting[AnyServer]]] = {}
        self._joined = 0

    def __len__(self) -> int:
        return len(self.everybody)

    @property
    def since(self) -> float:
        """The time at which the first client began to wait; ``inf`` if the queue is empty."""
        return next((waiting.since for waiting in self.everybody.values()), inf)

    def join(
        self,
        waiter: Waiter[AnyServer],
        key: bytes,
        tried: Sequence[AnyServer],
        line: AnyServer | None,
        since: float = 0.0,
    ) -> None:
        """Join at the end."""
        self._joined += 1
        self._stand(Waiting(waiter, key, tried, self._joined, line, since))

    def _stand(self, waiting: Waiting[AnyServer]) -> None:
        self.everybody[waiting.waiter] = waiting
        self._lines.setdefault(waiting.line, {})[waiting.waiter] = waiting

    def remove(self, waiter: Waiter[AnyServer]) -> bool:
        """Leave the queue; False if the waiter is not in it."""
        waiting = self.everybody.pop(waiter, None)
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
        """Build the lines again, by the ``line`` of each client's key and tried servers, in the same order."""
        everybody = self.everybody.values()
        self.everybody, self._lines = {}, {}
        for waiting in everybody:
            waiting.line = line(waiting.key, waiting.tried)
            self._stand(waiting)

    def pop(self) -> Waiter[AnyServer]:
        """Remove the first client of the queue."""
        waiter = next(iter(self.everybody))
        self.remove(waiter)
        return waiter
