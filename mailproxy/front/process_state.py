"""
The objects that last as long as the process, and are handed from one reading of the configuration to the next by key.

Nothing here needs a reactor: it can be made before there is one, and shared by processes that are forked later.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

from mailproxy.backend.overrides import Overrides
from mailproxy.backend.server import BackendServer
from mailproxy.bans.gate import BanGate
from mailproxy.config import Admin, Config
from mailproxy.config.model import MailProtocol
from mailproxy.counting.block import Block
from mailproxy.front.admin import AdminSockets, admin_places
from mailproxy.front.capacity import Capacity
from mailproxy.front.counts import Counts
from mailproxy.front.socket_source import place_to_bind
from mailproxy.front.sockets import Sockets
from mailproxy.networks.network_list import NetworkLists
from mailproxy.sources.plan import plan_of
from mailproxy.sources.sources import Sources
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.store import CertificateStore
from mailproxy.transport.bound import place_of

BackendKey = tuple[str, MailProtocol]
"""A backend's name, and the protocol that its servers are used for."""


class ProcessState:
    """The process's listening sockets, TLS with ticket keys, servers with their health, counters, and limits."""

    def __init__(self, counts: Counts | None = None, tls: TlsServers | None = None) -> None:
        self.counts = counts or Counts()
        """The counts; a process that begins to accept beside others replaces them before it counts."""
        self.sockets = Sockets()
        """By bind address."""
        self.admin = AdminSockets()
        """By address."""
        self.tls = tls or TlsServers()
        """By profile and ALPN protocols."""
        self.certificates = CertificateStore()
        """By profile."""
        self.servers: dict[BackendKey, Mapping[str, BackendServer]] = {}
        """By backend and protocol, and then by name."""
        self.lists = NetworkLists()
        """Lists of networks, by path."""
        self.overrides = Overrides()
        """States and weights of servers that administrators have set."""
        self.bans = BanGate()
        self._capacities: dict[str, Capacity] = {}

    def offer(self, sockets: Iterable[socket.socket], admin: Admin) -> None:
        """Take listening sockets that another process has opened; those that `admin` names are for administrators."""
        theirs = {place_to_bind(place.where) for place in admin_places(admin)}
        for sock in sockets:
            if place_of(sock) in theirs:
                self.admin.source.offer([sock])
            else:
                self.sockets.source.offer([sock])

    def close_offered(self) -> None:
        """Close the offered sockets that are not used."""
        self.admin.source.close_offered()
        self.sockets.source.close_offered()

    def share_sockets(self, *, with_others: bool) -> None:
        """With `with_others`, another process has the sockets as well, so their files are not removed on close."""
        self.sockets.share(with_others=with_others)
        self.admin.share(with_others=with_others)

    def block(self, frontend: str) -> Block:
        """Return the numbers of a frontend, by its name."""
        return self.counts.frontend(frontend)

    @property
    def total(self) -> Capacity:
        """The limit on all sessions together."""
        return self._capacity("maxconn")

    def capacity(self, frontend: str) -> Capacity:
        """Return the limit on a frontend's sessions, by its name."""
        return self._capacity(f"maxconn of {frontend}")

    def handshakes(self, frontend: str) -> Capacity:
        """Return the limit on a frontend's TLS handshakes at once, by its name."""
        return self._capacity(f"handshakes of {frontend}")

    def sources(self, settings: Config) -> Sources | None:
        """Return what is known of each source; None if the configuration wants nothing of that to be counted."""
        is_needed = plan_of(settings) is not None or any(one.limits.has_source_limits for one in settings.frontends)
        return self.counts.sources(settings.limits.size) if is_needed else None

    def _capacity(self, name: str) -> Capacity:
        if name not in self._capacities:
            self._capacities[name] = self.counts.capacity(name)
        return self._capacities[name]
