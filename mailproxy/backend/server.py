"""The servers of a backend, made from the configuration."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

from attrs import define, evolve, field, frozen

from mailproxy import config
from mailproxy.backend.numbers import SERVER
from mailproxy.balance.health import Health
from mailproxy.balance.pool_server import PoolServer
from mailproxy.config.model import MailProtocol
from mailproxy.config.place import InetServer, NamedServer, ServerAddress, UnixServer
from mailproxy.counting.page import Numbers, new_numbers
from mailproxy.names.record import Record
from mailproxy.tls.client import ClientTls, MakeClientTls
from mailproxy.transport.outgoing import Target


@frozen(eq=False)
class Origin:
    """
    The origin of a pool's servers: their configuration and their TLS.

    All servers of one name have the same origin.
    """

    settings: config.Server
    where: ServerAddress
    """Its address, with the port for the protocol."""
    tls: ClientTls | None


@define(kw_only=True, eq=False)
class BackendServer(PoolServer):
    """A server of a pool, with its origin."""

    target: Target | None = None
    """The address to connect to; None: unknown, so it gets no clients."""
    origin: Origin
    record: Record | None = None
    """Its record in DNS, if the configuration has a name."""
    numbers: Numbers = field(factory=partial(new_numbers, SERVER.length), repr=False)
    """The numbers that this process counts, by the indexes in `mailproxy.backend.numbers`."""


def inet_target(host: IPv4Address | IPv6Address, port: int, tls: ClientTls | None) -> Target:
    """Return where to connect to for an address and port."""
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    return Target(family, (str(host), port), tls)


NONE_KNOWN: Mapping[str, BackendServer] = MappingProxyType({})


def make_servers(
    backend: config.Backend,
    protocol: MailProtocol,
    client_tls: MakeClientTls,
    known: Mapping[str, BackendServer] = NONE_KNOWN,
) -> Iterator[BackendServer]:
    """
    Make the servers of a backend for one protocol; ValueError if the TLS of one cannot work.

    An unchanged `known` server without TLS is used again. Any other server is new, and takes over the results of
    checks, agent and DNS from the known one with its name.
    """
    for settings in backend.servers:
        where = backend.address(settings, protocol)
        tls = _tls(settings, where, client_tls)
        previous = [known.get(name) for name in settings.slots]
        if tls is None and all(_is_as_before(server, settings, where) for server in previous):
            yield from filter(None, previous)
            continue
        origin = Origin(settings, where, tls)
        for name, before in zip(settings.slots, previous, strict=True):
            server = BackendServer(
                name=name,
                backup=settings.backup,
                weight=settings.weight,
                maxconn=settings.maxconn,
                slowstart=settings.slowstart,
                target=_target(where, tls),
                health=_health(settings),
                state=settings.state,
                origin=origin,
            )
            if before is not None:
                _take_over(server, before)
            yield server


def _is_as_before(server: BackendServer | None, settings: config.Server, where: ServerAddress) -> bool:
    return server is not None and (server.origin.settings, server.origin.where) == (settings, where)


def _take_over(server: BackendServer, before: BackendServer) -> None:
    was, now = before.origin, server.origin
    if now.settings.state == was.settings.state:
        server.state = before.state
    if now.where == was.where:
        server.take_over(before)
        if before.record is not None and before.target is not None:
            server.record = before.record
            server.target = evolve(before.target, tls=now.tls)
            server.backup = now.settings.backup or before.record.backup
            server.asked_weight = server.asked_weight if before.record.weight is None else before.record.weight


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
    """Return the address to connect to; None for a name, which has to be looked up first."""
    match where:
        case UnixServer(path=path):
            return Target(socket.AF_UNIX, path, tls)
        case InetServer(host=host, port=int(port)):
            return inet_target(host, port, tls)
    return None
