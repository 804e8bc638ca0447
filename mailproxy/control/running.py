"""The part of the running service that the admin socket uses."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from mailproxy.bans.breadth import BanBreadth
from mailproxy.bans.keeper import BanKeeper
from mailproxy.config import Config
from mailproxy.control.takeover_end import TakeoverEnd
from mailproxy.control.watch import LivePublisher
from mailproxy.front.drains import Drains
from mailproxy.front.generation import Generation
from mailproxy.front.kicks import Kicks
from mailproxy.front.loop import Loop
from mailproxy.front.process_state import ProcessState
from mailproxy.front.reload_queue import Reloaded
from mailproxy.front.reloading import Reloading
from mailproxy.front.stop import Stop


class Running(Protocol):
    """What `mailproxy.service.ProxyService` offers to the admin socket."""

    began: float | None
    stop: Stop
    takeover_end: TakeoverEnd
    drains: Drains
    reloading: Reloading
    bans: BanKeeper
    ban_breadth: BanBreadth
    kicks: Kicks
    events: LivePublisher | None
    """The log events of all processes; None: this process alone serves."""

    @property
    def source(self) -> str:
        """The path of the configuration file."""

    @property
    def started(self) -> Config:
        """The configuration that the process started with."""

    @property
    def process_state(self) -> ProcessState:
        """The objects that live as long as the process."""

    @property
    def loop(self) -> Loop:
        """The poller and timers on its reactor."""

    @property
    def generation(self) -> Generation:
        """The current generation: the last reading of the configuration."""

    @property
    def listening(self) -> list[socket.socket]:
        """All listening sockets, including the admin socket."""

    @property
    def others(self) -> Sequence[Callable[[Any], Deferred[Any]]]:
        """For each other process of the service, a function that asks it (`questions.Ask`)."""

    @property
    def workers_ended(self) -> int:
        """How often a worker has ended that was not asked to."""

    @property
    def worker_ends(self) -> Sequence[str]:
        """A sentence about each worker that has ended in the last minutes."""

    def reload(self) -> Deferred[Reloaded]:
        """Read the configuration again, and apply its changes."""
