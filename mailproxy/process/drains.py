"""Drains a frontend in all workers: the main process has the sockets, and workers accept from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from mailproxy.front.drains import Drains
from mailproxy.front.frontend import Frontend
from mailproxy.front.generation import Generation
from mailproxy.front.loop import Loop
from mailproxy.front.process_state import ProcessState
from mailproxy.front.sockets import SocketKey
from mailproxy.process.message import DrainFrontend, EnableFrontend

AskAll = Callable[[object], Sequence[Deferred[Any]]]
"""Asks each worker a question, and returns a Deferred for each answer."""


class MainDrains(Drains):
    """The drains of the main process."""

    def __init__(
        self,
        generation: Callable[[], Generation],
        process_state: ProcessState,
        loop: Loop,
        ask: AskAll,
        enable: Callable[[EnableFrontend], None],
    ) -> None:
        """`enable` sends a frontend's message to all workers, with the sockets that it names."""
        super().__init__(generation, process_state, loop)
        self._ask = ask
        self._enable = enable

    def _refuse(self, name: str, kick: bool, spread: float | None, drained: Deferred[int]) -> None:
        sockets = self._process_state.sockets
        frontends = {frontend.name: frontend for frontend in self._generation().frontends}
        if name in frontends:
            sockets.refuse(frontends[name].settings)
        asked = DeferredList(self._ask(DrainFrontend(name, kick, spread)), consumeErrors=True)
        asked.addCallback(lambda _: self._refused(name, drained))

    def _refused(self, name: str, drained: Deferred[int]) -> None:
        """Close the sockets: no worker accepts from them."""
        live = self._process_state.capacity(name).sessions
        for frontend in self._generation().frontends:
            if frontend.name == name:
                self._suspend(frontend)
                self._log_drained(name, live)
        self._drained(name, live, drained)

    def frontend_ready(self, name: str) -> None:
        """Accept clients of a frontend again; `NoSuchPart`, or `StartError` if it cannot listen."""
        frontend = self._find_frontend(name)
        sockets = self._process_state.sockets
        if name in self._draining:
            self._draining[name].append(partial(self._enable_at_last, name))
        if name not in sockets.suspended:
            return
        sockets.resume(frontend.settings)
        new: tuple[SocketKey, ...] = tuple(key for key in sockets.keys_of(frontend.settings) if sockets[key].is_unix)
        self._enable(EnableFrontend(name, new))
        self._log_ready(name)


class WorkerDrains(Drains):
    """The drains of a worker; the main process closes the sockets once no worker accepts from them."""

    def _suspend(self, frontend: Frontend) -> None:
        self._process_state.sockets.mark_suspended([frontend.settings])
