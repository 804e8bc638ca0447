"""A backend as sessions know it: the pool of its servers for one protocol, and the header for them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from attrs import frozen

from mailproxy import config
from mailproxy.announce.ends import PackedAddress
from mailproxy.announce.header import HeaderPolicy
from mailproxy.balance.change import Change
from mailproxy.balance.health import Health
from mailproxy.balance.pool import Pool
from mailproxy.balance.rule import RULES
from mailproxy.balance.server import Server
from mailproxy.balance.source import client_key
from mailproxy.config.model import InetServer, MailProtocol, NamedServer, ServerAddress, UnixServer
from mailproxy.proxyprotocol import Address, InetAddress
from mailproxy.tls.client import ClientTls, MakeClientTls, client_sides
from mailproxy.transport.outgoing import Target


@frozen(eq=False)
class Origin:
    """
    What a server of a pool comes from, its `tag`: what the configuration says of it, and TLS as it has it.

    The servers that one name stands for have one origin.
    """

    settings: config.Server
    tls: ClientTls | None


class Backend:
    """
    The servers of one backend for one protocol, and what all sessions with them share.

    `listeners` hear of every change in the pool; `check_soon` is called when sessions make a check urgent.
    """

    def __init__(
        self, settings: config.Backend, protocol: MailProtocol, client_tls: MakeClientTls | None = None
    ) -> None:
        """
        Make ready what the configuration says; ValueError if its header or its TLS cannot work.

        `client_tls` makes the TLS of its servers; backends with the same one share what they can.
        """
        self.name = settings.name
        self.protocol = protocol
        self.settings = settings
        self.connect_seconds = settings.timeout.connect
        self.queue_seconds = settings.timeout.queue_seconds
        self.header = HeaderPolicy(settings, protocol)
        self.sends_unique_id = "unique-id" in settings.proxy_v2_options
        self.listeners: list[Callable[[Change], None]] = []
        self.check_soon: Callable[[Server], None] = _nothing
        rule = RULES[settings.balance]
        self._knows_clients = rule.is_sticky
        self.pool = Pool(
            settings.name,
            tuple(_servers(settings, protocol, client_tls or client_sides())),
            rule,
            on_change=self._changed,
            allbackups=settings.allbackups,
            retries=settings.retries,
            maxqueue=settings.maxqueue,
        )

    def _changed(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)

    def key(self, source: Address | PackedAddress | None) -> bytes:
        """Return what the rule knows a client by; empty if it treats all alike."""
        return network(source) if self._knows_clients else b""

    def succeeded(self, server: Server) -> None:
        """Hear that a server took a session."""
        health = server.health
        if health is not None and health.errors:
            self.pool.observed_success(server)

    def failed(self, server: Server, now: float, reason: str, source: bytes | None = None) -> None:
        """Hear that a server did not, and why; `source` is the client's network if the client may have provoked it."""
        if server.tag.settings.observe == "connect" and self.pool.observed_error(server, now, reason, source):
            self.check_soon(server)


def network(source: Address | PackedAddress | None) -> bytes:
    """Return what a client is known by, wherever its host moves about; empty if its address is not known."""
    if isinstance(source, tuple):
        return client_key(ip_address(source[0]))
    return client_key(source.host) if isinstance(source, InetAddress) else b""


def inet_target(host: IPv4Address | IPv6Address, port: int, tls: ClientTls | None) -> Target:
    """Return where to connect to for an address and port."""
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    return Target(family, (str(host), port), tls)


def _servers(backend: config.Backend, protocol: MailProtocol, client_tls: MakeClientTls) -> Iterator[Server]:
    for settings in backend.servers:
        where = backend.address(settings, protocol)
        tls = _tls(settings, where, client_tls)
        origin = Origin(settings, tls)
        for name in settings.slots:
            yield Server(
                name=name,
                backup=settings.backup,
                weight=settings.weight,
                maxconn=settings.maxconn,
                slowstart=settings.slowstart,
                target=_target(where, tls),
                health=_health(settings),
                state=settings.state,
                tag=origin,
            )


def _tls(settings: config.Server, where: ServerAddress, client_tls: MakeClientTls) -> ClientTls | None:
    if settings.tls is None:
        return None
    host = str(where.host) if isinstance(where, InetServer | NamedServer) else None
    try:
        return client_tls(settings.tls, host)
    except ValueError as error:
        raise ValueError(f"server {settings.name}, tls: {error}") from error


def _health(settings: config.Server) -> Health | None:
    check = settings.check
    if check.type == "none":
        return None
    return Health(
        rise=check.rise,
        fall=check.fall,
        init_state=settings.init_state,
        error_limit=settings.error_limit,
        on_error=settings.on_error,
    )


def _target(where: ServerAddress, tls: ClientTls | None) -> Target | None:
    """Return where to connect to; None for a name, which somebody has to look up."""
    match where:
        case UnixServer(path=path):
            return Target(socket.AF_UNIX, path, tls)
        case InetServer(host=host, port=int(port)):
            return inet_target(host, port, tls)
    return None


def _nothing(server: Server) -> None:
    """Do nothing."""
