"""The service of a worker: the sessions of a service whose main process does all else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from mailproxy.front.drains import Drains
from mailproxy.front.generation import Generation
from mailproxy.front.prepare import Prepared
from mailproxy.front.role import WORKER
from mailproxy.process import message
from mailproxy.process.drains import WorkerDrains
from mailproxy.process.server_report import report_sessions
from mailproxy.process.server_update import apply
from mailproxy.service import ProxyService


class WorkerService(ProxyService):
    """The service of a worker; the main process logs what is the same in all workers."""

    role = WORKER

    def __init__(self, prepared: Prepared, reactor: Any, stamp: int, send: Callable[[object], object]) -> None:
        """`send` sends a message to the main process."""
        self._send = send
        super().__init__(prepared, reactor, stamp)

    def _make_drains(self) -> Drains:
        return WorkerDrains(lambda: self._generation, self._process_state, self._loop, is_quiet=True)

    def _make_generation(self, prepared: Prepared) -> Generation:
        for backend in prepared.backends.values():
            report_sessions(backend, self._send)
        return super()._make_generation(prepared)

    def update_server(self, update: message.ServerUpdate) -> None:
        """Apply the state that a server has in the main process."""
        backend = self._generation.backends.get((update.backend, update.protocol))
        if backend is not None:
            apply(update, backend, self._loop.poller.look_at_clock())

    def learn(self, learned: message.Learned) -> None:
        """Announce the capabilities of a backend."""
        self._generation.learn(learned.frontend, learned.capabilities)

    def verify_with(self, trusted: message.Trusted) -> Deferred[object]:
        """Verify the clients of a profile with other authorities and lists."""
        # A long list takes long, so a thread does it.
        made = self._background.do(lambda: trusted.trust.store)
        return made.addCallback(lambda _: self._process_state.tls.verify_with(trusted.profile, trusted.trust))
