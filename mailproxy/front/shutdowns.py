"""Ends sessions when a server of their backend goes down or comes back, if the configuration says so."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.session.termination import BACKUP_LEFT, SERVER_DOWN, Ending

EndSessions = Callable[[Collection[BackendServer], Ending, str], None]
"""Ends the sessions with servers, with HAProxy's letter and the reason in words."""


class Shutdowns:
    """Ends the sessions of one backend for one protocol as its servers change, from `start` to `stop`."""

    def __init__(self, backend: Backend, end_sessions: EndSessions) -> None:
        self._backend = backend
        self._end_sessions = end_sessions

    def start(self) -> None:
        """Begin to listen to changes."""
        self._backend.observers.append(self._changed)

    def stop(self) -> None:
        """Stop ending sessions."""
        if self._changed in self._backend.observers:
            self._backend.observers.remove(self._changed)

    def _changed(self, change: Change[BackendServer]) -> None:
        server = change.server
        settings = server.origin.settings
        if change.event == "down" and settings.on_marked_down == "shutdown-sessions":
            self._end_sessions((server,), SERVER_DOWN, "the server went down")
        if change.event == "up" and not server.backup and settings.on_marked_up == "shutdown-backup-sessions":
            backups = [other for other in self._backend.pool.servers if other.backup]
            self._end_sessions(backups, BACKUP_LEFT, "the server that this one is the backup of is up again")
