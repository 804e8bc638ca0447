"""Changes of a server by checks, sessions, agents, admins and DNS; `Pool` handles the consequences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic

from mailproxy.balance.change import Event
from mailproxy.balance.pool_server import AnyServer, ServerState


class ServerChanges(ABC, Generic[AnyServer]):
    """Writes news about servers into their fields, and calls `_changed` if that changes anything."""

    def passed(self, server: AnyServer, now: float, reason: str = "") -> None:
        """Count a check that passed."""
        if server.health is not None and server.health.passed(now, reason) is not None:
            self._changed(server, "up", reason, now)

    def failed(self, server: AnyServer, now: float, reason: str) -> None:
        """Count a check that failed."""
        if server.health is not None and server.health.failed(now, reason) is not None:
            self._changed(server, "down", reason, now)

    def set_health(self, server: AnyServer, is_up: bool, now: float, reason: str = "") -> None:
        """Take the server for up or down as another process has found."""
        if server.health is not None and (event := server.health.become(is_up, now, reason)) is not None:
            self._changed(server, event, reason, now)

    def observed_success(self, server: AnyServer) -> None:
        """Note that a session reached the server."""
        if server.health is not None:
            server.health.observed_success()

    def observed_error(self, server: AnyServer, now: float, reason: str, source: bytes | None = None) -> bool:
        """
        Note that a session did not reach the server; True: check it soon (after ``fastinter``).

        ``source`` is the client's network if the client may have caused it.
        """
        if server.health is None:
            return False
        advice = server.health.observed_error(source)
        if advice == "fail":
            self.failed(server, now, reason)
        elif advice == "down":
            server.health.mark_down(now, reason)
            self._changed(server, "down", reason, now)
        return advice != "nothing"

    def set_state(self, server: AnyServer, state: ServerState, now: float, reason: str = "") -> None:
        """Set the admin's state: ready, drain (no new sessions), maint (the same, and no checks)."""
        before = server.effective_state
        server.state = state
        self._apply_effective_state(server, before, now, reason)

    def set_agent_state(self, server: AnyServer, state: ServerState, now: float, reason: str = "") -> None:
        """Set the agent's state; the more severe of it and the admin's counts."""
        before = server.effective_state
        server.agent_state = state
        self._apply_effective_state(server, before, now, reason)

    def _apply_effective_state(self, server: AnyServer, before: ServerState, now: float, reason: str) -> None:
        state = server.effective_state
        if state == before:
            return
        if before == "maint" and server.health is not None:
            server.health.restart()
        self._changed(server, state, reason, now)

    def set_weight(self, server: AnyServer, weight: float, now: float, reason: str = "") -> None:
        """Set the weight now (0 to 256; 0: no new sessions); an agent's percentage is of ``server.weight``."""
        if server.asked_weight != weight:
            server.asked_weight = weight
            self._changed(server, "weight", reason, now)

    def set_maxconn(self, server: AnyServer, maxconn: int, now: float, reason: str = "") -> None:
        """Set the most sessions at once (0: no limit); existing ones stay."""
        if server.asked_maxconn != maxconn:
            server.asked_maxconn = maxconn
            self._changed(server, "maxconn", reason, now)

    def set_target(self, server: AnyServer, target: object, now: float, reason: str = "") -> None:
        """Set the server's address; None: it gets no sessions until it has an address again."""
        before, server.target = server.target, target
        if target == before:
            return
        if before is None and server.health is not None:
            server.health.restart()
        self._changed(server, "no-address" if target is None else "address", reason, now)

    def set_backup(self, server: AnyServer, backup: bool, now: float, reason: str = "") -> None:
        """Make the server a backup, or an active one."""
        if server.backup != backup:
            server.backup = backup
            self._changed(server, "backup" if backup else "active", reason, now)

    @abstractmethod
    def _changed(self, server: AnyServer, event: Event, reason: str, now: float) -> None:
        """Handle the consequences of a change."""
