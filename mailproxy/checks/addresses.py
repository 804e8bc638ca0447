"""The addresses of a backend's servers by name, from DNS."""

from __future__ import annotations

from functools import partial

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer, Origin, inet_target
from mailproxy.config.place import NamedServer, SrvServer
from mailproxy.names.record import Record
from mailproxy.names.slots import Follows, SlotFiller
from mailproxy.transport.poller import Poller

_REASON = "according to DNS"


class Addresses:
    """Keeps the addresses of one backend's servers for one protocol up to date, from `start` to `stop`."""

    def __init__(self, backend: Backend, names: Follows | None, poller: Poller) -> None:
        """`names` follows names; None is enough for a backend without them."""
        self._backend = backend
        self._names = names
        self._poller = poller
        self._fillers: list[SlotFiller] = []

    def start(self) -> None:
        """Begin to look names up; servers without an answer get no clients."""
        slots: dict[Origin, list[BackendServer]] = {}
        for server in self._backend.pool.servers:
            slots.setdefault(server.origin, []).append(server)
        for origin, servers in slots.items():
            if isinstance(origin.settings.address, NamedServer | SrvServer):
                label = f"backend {self._backend.name}, server {origin.settings.name}, {self._backend.protocol}"
                placed = tuple(server.record for server in servers)
                place = partial(self._placed, servers)
                assert self._names is not None, "there are names to follow"
                self._fillers.append(SlotFiller(self._names, label, origin.settings, place, placed))

    @property
    def are_known(self) -> bool:
        """True if every name has an address."""
        known = {server.origin for server in self._backend.pool.servers if server.target is not None}
        return all(server.origin in known for server in self._backend.pool.servers)

    def stop(self) -> None:
        """Stop; the servers keep their addresses."""
        while self._fillers:
            self._fillers.pop().stop()

    def _placed(self, servers: list[BackendServer], index: int, record: Record | None) -> None:
        """Set the address of a slot; the server of an empty slot gets no new sessions, and its sessions continue."""
        server = servers[index]
        server.record = record
        pool = self._backend.pool
        now = self._poller.look_at_clock()
        if record is None:
            pool.set_target(server, None, now, _REASON)
            return
        port = record.port or self._backend.settings.ports[self._backend.protocol]
        pool.set_backup(server, server.origin.settings.backup or record.backup, now, _REASON)
        if record.weight is not None:
            pool.set_weight(server, record.weight, now, _REASON)
        pool.set_target(server, inet_target(record.host, port, server.origin.tls), now, _REASON)
