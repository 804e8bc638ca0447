"""The running service, as far as administrators ask it and tell it things."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from mailproxy.front.drains import Drains
from mailproxy.front.generation import Generation
from mailproxy.front.lasting import Lasting
from mailproxy.front.loop import Loop
from mailproxy.front.reload import Reloaded


class Running(Protocol):
    """`mailproxy.service.ProxyService` explains each."""

    began: float | None
    is_stopping: bool
    drains: Drains

    @property
    def source(self) -> str:
        """The configuration's file."""

    @property
    def lasting(self) -> Lasting:
        """What lasts as long as the process."""

    @property
    def loop(self) -> Loop:
        """What it has on its reactor."""

    @property
    def generation(self) -> Generation:
        """The reading of the configuration that is at work."""

    @property
    def listening(self) -> list[socket.socket]:
        """All sockets that it listens on, the one for administrators included."""

    def leave(self, *, timeout: float | None = None, spread: float | None = None) -> Deferred[None]:
        """Begin the stop of a process whose listening sockets another process has."""

    @property
    def others(self) -> Sequence[Callable[[Any], Deferred[Any]]]:
        """What asks each other process of the service (`parts.Ask`)."""

    def reload(self) -> Deferred[Reloaded]:
        """Read the configuration again, and change what has changed."""

    def stop(self) -> None:
        """Begin the stop; the second time, end all sessions at once."""

    def drain(
        self, *, delay: float | None = None, timeout: float | None = None, spread: float | None = None
    ) -> Deferred[None]:
        """Begin the stop in another time than the configuration's."""
