"""Settings of servers that administrators make by hand, in addition to the configuration."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from mailproxy import config
from mailproxy.backend.server import BackendServer
from mailproxy.balance.pool_server import ServerState

Key = tuple[str, str]
"""A backend's name, and a server's."""


@frozen
class Wish:
    """The settings made by hand for one server, in all protocols, and its configuration at that time."""

    settings: config.Server
    state: ServerState | None = None
    """None: as the configuration says."""
    weight: float | None = None
    """None: as the configuration, an agent or DNS says."""

    def under(self, settings: config.Server) -> Wish:
        """Return the part of the wish that holds with this configuration: a key that has changed there wins."""
        return Wish(
            settings,
            state=self.state if settings.state == self.settings.state else None,
            weight=self.weight if settings.weight == self.settings.weight else None,
        )


class Wishes:
    """The wishes of one process, by server (mutable); they outlast readings of the configuration."""

    def __init__(self) -> None:
        self._wishes: dict[Key, Wish] = {}

    def set_state(self, backend: str, server: BackendServer, state: ServerState) -> None:
        """Keep a server's state that was set by hand."""
        self._wishes[backend, server.name] = evolve(self._at(backend, server), state=state)

    def set_weight(self, backend: str, server: BackendServer, weight: float) -> None:
        """Keep a server's weight that was set by hand."""
        self._wishes[backend, server.name] = evolve(self._at(backend, server), weight=weight)

    def _at(self, backend: str, server: BackendServer) -> Wish:
        settings = server.origin.settings
        return self._wishes.get((backend, server.name), Wish(settings)).under(settings)

    def grant(self, backend: str, server: BackendServer) -> None:
        """Apply the wishes to a server, before any pool has it."""
        wish = self._at(backend, server)
        if wish.state is not None:
            server.state = wish.state
        if wish.weight is not None:
            server.asked_weight = wish.weight

    def keep(self, backends: Mapping[str, config.Backend]) -> None:
        """Forget wishes for servers that the configuration does not have, or has changed."""
        configured = {
            (backend.name, name): settings
            for backend in backends.values()
            for settings in backend.servers
            for name in settings.slots
        }
        self._wishes = {key: wish.under(configured[key]) for key, wish in self._wishes.items() if key in configured}
