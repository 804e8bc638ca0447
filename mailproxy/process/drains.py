"""Drains a frontend in all workers: the main process has the sockets, and workers accept from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from mailproxy.front.drains import Drains
from mailproxy.front.frontend import Frontend
from mailproxy.front.generation import Generation
from mailproxy.front.loop import Loop
from mailproxy.front.process_state import ProcessState
from mailproxy.front.sockets import Key as SocketKey
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
        self._draining: dict[str, Deferred[None]] = {}
        """By frontend: a Deferred that fires when no worker accepts from it."""

    def frontend(self, name: str, *, kick: bool = False, spread: float | None = None) -> int:
        """
        Refuse new clients of a frontend, after those in the kernel's queue, and return its number of sessions.

        With `kick` these are ended as well, spread over `spread` seconds (None: `drain-spread`), and at the latest
        `hard-stop-after` later. Raises `NoSuchPart`.
        """
        frontend = self._find_frontend(name)
        live = self._process_state.capacity(name).sessions
        self._say_drained(name, live)
        # The workers first accept the clients in the queue.
        asked = DeferredList(self._ask(DrainFrontend(name, kick, spread)), consumeErrors=True)
        self._draining[name] = asked.addCallback(lambda _: self._drained(frontend))
        if asked.called:
            del self._draining[name]
        return live

    def drained(self, name: str) -> Deferred[None]:
        """Return a Deferred that fires when no worker accepts clients of a frontend that is being drained any more."""
        drained: Deferred[None] = Deferred()
        draining = self._draining.get(name)
        if draining is None:
            drained.callback(None)
        else:
            draining.addCallback(drained.callback)
        return drained

    def _drained(self, frontend: Frontend) -> None:
        self._draining.pop(frontend.name, None)
        self._process_state.sockets.suspend(frontend.settings)

    def frontend_ready(self, name: str) -> None:
        """Accept clients of a frontend again; `NoSuchPart`, or `StartError` if it cannot listen."""
        frontend = self._find_frontend(name)
        sockets = self._process_state.sockets
        if name in self._draining:
            self._draining[name].addCallback(lambda _: self.frontend_ready(name))
        if name not in sockets.suspended:
            return
        sockets.resume(frontend.settings)
        new: tuple[SocketKey, ...] = tuple(key for key in sockets.keys_of(frontend.settings) if sockets[key].is_unix)
        self._enable(EnableFrontend(name, new))
        self._say_ready(name)


class WorkerDrains(Drains):
    """The drains of a worker; the main process closes the sockets once no worker accepts from them."""

    def _suspend(self, frontend: Frontend) -> None:
        self._process_state.sockets.know_suspended([frontend.settings])
