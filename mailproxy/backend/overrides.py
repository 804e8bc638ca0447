"""States and weights of servers that administrators set by hand, in place of those of the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from mailproxy import config
from mailproxy.backend.server import BackendServer
from mailproxy.balance.pool_server import ServerState

Key = tuple[str, str]
"""A backend's name, and a server's."""


def why(state: ServerState) -> str:
    """Return the reason of a state that was set by hand; "by hand" alone reads as a restriction."""
    return "made ready by hand" if state == "ready" else "by hand"


@frozen
class Override:
    """The settings made by hand for one server, in all protocols, and its configuration at that time."""

    settings: config.Server
    state: ServerState | None = None
    """None: as the configuration says."""
    weight: float | None = None
    """None: as the configuration, an agent or DNS says."""

    def under(self, settings: config.Server) -> Override:
        """Return the part of the override that holds with this configuration: a key that has changed there wins."""
        return Override(
            settings,
            state=self.state if settings.state == self.settings.state else None,
            weight=self.weight if settings.weight == self.settings.weight else None,
        )


class Overrides:
    """The overrides of one process, by server (mutable); they outlast readings of the configuration."""

    def __init__(self) -> None:
        self._overrides: dict[Key, Override] = {}

    def set_state(self, backend: str, server: BackendServer, state: ServerState) -> None:
        """Keep a server's state that was set by hand."""
        self._overrides[backend, server.name] = evolve(self.of(backend, server), state=state)

    def set_weight(self, backend: str, server: BackendServer, weight: float) -> None:
        """Keep a server's weight that was set by hand."""
        self._overrides[backend, server.name] = evolve(self.of(backend, server), weight=weight)

    def of(self, backend: str, server: BackendServer) -> Override:
        """Return the settings made by hand for a server, as far as they hold with its configuration."""
        settings = server.origin.settings
        return self._overrides.get((backend, server.name), Override(settings)).under(settings)

    def apply(self, backend: str, server: BackendServer) -> None:
        """Apply the overrides to a server, before any pool has it."""
        override = self.of(backend, server)
        if override.state is not None:
            server.state = override.state
        if override.weight is not None:
            server.asked_weight = override.weight

    def keep(self, backends: Mapping[str, config.Backend]) -> None:
        """Forget overrides for servers that the configuration does not have, or has changed."""
        configured = {
            (backend.name, name): settings
            for backend in backends.values()
            for settings in backend.servers
            for name in settings.slots
        }
        self._overrides = {
            key: override.under(configured[key]) for key, override in self._overrides.items() if key in configured
        }
