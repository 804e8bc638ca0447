"""A backend for one protocol: the pool of its servers, their header, and a client's key for the balance rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address

from mailproxy import config
from mailproxy.announce.addresses import PackedAddress
from mailproxy.announce.header import HeaderPolicy
from mailproxy.backend.overrides import Overrides
from mailproxy.backend.server import NONE_KNOWN, BackendServer, make_servers
from mailproxy.balance.change import Change
from mailproxy.balance.pool import Pool
from mailproxy.balance.rule import RULES
from mailproxy.balance.source import client_key
from mailproxy.config.model import MailProtocol
from mailproxy.mail.greeting import first_line, server_speaks_first
from mailproxy.proxyprotocol import Address, InetAddress
from mailproxy.tls.client import MakeClientTls, client_sides

Observer = Callable[[Change[BackendServer]], None]
Missed = Callable[[BackendServer, float, str, bytes | None], None]
"""Called with a server, the time, why it was not reached, and the client's network if the client may be the cause."""


class Observers(list[Observer]):
    """
    The observers of a pool's changes, called in order. It has no reference to the backend, so that both can be freed.
    """

    def __call__(self, change: Change[BackendServer]) -> None:
        """Call each observer with the change."""
        for observer in tuple(self):
            observer(change)


class Backend:
    """
    The servers of one backend for one protocol, and what all sessions with them share.

    `observers` are called with every change in the pool; `check_soon` is called when sessions make a check urgent.
    """

    def __init__(
        self,
        settings: config.Backend,
        protocol: MailProtocol,
        client_tls: MakeClientTls | None = None,
        known: Mapping[str, BackendServer] = NONE_KNOWN,
        overrides: Overrides | None = None,
    ) -> None:
        """
        Set up the backend; ValueError if its header or its TLS cannot work.

        `client_tls` makes the TLS of its servers; backends with the same `client_tls` share contexts. `known` are
        servers of an earlier configuration, by name: an unchanged one is used again, a changed one keeps its health.
        `overrides` are settings of servers that administrators made by hand.
        """
        self.name = settings.name
        self.protocol = protocol
        self.settings = settings
        self.connect_seconds = settings.timeout.connect
        self.queue_seconds = settings.timeout.queue_seconds
        self.greets = first_line(protocol).match if server_speaks_first(protocol) else None
        """Matches the bytes of a server that has greeted, from the first one; None if servers do not speak first."""
        self.header = HeaderPolicy(settings, protocol)
        self.sends_unique_id = "unique-id" in settings.proxy_v2_options
        self.observers = Observers()
        self.check_soon: Callable[[BackendServer], None] = nothing
        self.missed: Missed | None = None
        """Called for a session that did not reach a server, if another process looks after its health."""
        self.reached: Callable[[BackendServer], None] | None = None
        """Called, in that case, for a session that reached a server which earlier ones did not reach."""
        rule = RULES[settings.balance]
        servers = tuple(make_servers(settings, protocol, client_tls or client_sides(), known))
        for server in servers:
            if overrides is not None and not server.is_settled:
                overrides.apply(settings.name, server)
        self._knows_clients = rule.is_sticky
        self.pool = Pool(
            settings.name,
            servers,
            rule,
            on_change=self.observers,
            allbackups=settings.allbackups,
            retries=settings.retries,
            maxqueue=settings.maxqueue,
        )

    def succeed(self, previous: Backend) -> None:
        """
        Keep the servers that a previous backend shares with this one up to date, as long as that backend has sessions.

        Sessions count for a server's name, as in the pages of several processes, even if it has another address now.
        """
        mine = {server.name: server for server in self.pool.servers}
        for server in previous.pool.servers:
            now = mine.get(server.name)
            if now is not None:
                now.succeed(server)
        self.pool.share(previous.pool)
        previous.observers.append(self._shared_changed)
        previous.check_soon = self._check_shared_soon

    def detach(self, previous: Backend) -> None:
        """Undo `succeed`."""
        self.pool.unshare(previous.pool)
        previous.observers.remove(self._shared_changed)
        previous.check_soon = nothing

    def _shared_changed(self, change: Change[BackendServer]) -> None:
        if change.server in self.pool.servers:
            self.observers(change)

    def _check_shared_soon(self, server: BackendServer) -> None:
        if server in self.pool.servers:
            self.check_soon(server)

    def key(self, source: Address | PackedAddress | None) -> bytes:
        """Return the client's key for the rule; empty if the rule treats all clients alike."""
        return network(source) if self._knows_clients else b""

    def succeeded(self, server: BackendServer) -> None:
        """Count that a server took a session."""
        health = server.health
        if health is not None and health.errors:
            if self.reached is None:
                self.pool.observed_success(server)
            else:
                self.reached(server)

    def failed(self, server: BackendServer, now: float, reason: str, source: bytes | None = None) -> None:
        """
        Count that a server did not take a session; `source` is the client's network if the client may have caused it.
        """
        if server.origin.settings.observe == "connect":
            (self.missed or self.observe)(server, now, reason, source)

    def observe(self, server: BackendServer, now: float, reason: str, source: bytes | None) -> None:
        """Let an error that a session met count for the server's health."""
        if self.pool.observed_error(server, now, reason, source):
            self.check_soon(server)


def network(source: Address | PackedAddress | None) -> bytes:
    """Return the client's network, which identifies it even if its host address changes; empty if it is unknown."""
    if isinstance(source, tuple):
        return client_key(ip_address(source[0]))
    return client_key(source.host) if isinstance(source, InetAddress) else b""


def nothing(server: BackendServer) -> None:
    """Do nothing."""
