"""The servers of a backend as sockets know them, for one protocol."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

from attrs import field, frozen

from mailproxy import config
from mailproxy.balance import first
from mailproxy.balance.attempt import next_server
from mailproxy.config.model import Balance, InetServer, MailProtocol, NamedServer, UnixServer
from mailproxy.session.header import HeaderPolicy
from mailproxy.tls.client import MakeClientTls, client_sides
from mailproxy.transport.outgoing import Target

Rule = Callable[[Sequence["Server"], Sequence["Server"]], "Server"]

RULES: Mapping[str, Rule] = dict.fromkeys(get_args(Balance), first.pick)
"""The rules by the word that the configuration has for them; until there are pools, each is ``first``."""


@frozen(eq=False)
class Server:
    """One server: its name, and where to connect to."""

    name: str
    target: Target


@frozen(eq=False)
class Backend:
    """A backend as one frontend uses it: servers in order, the rule among them, the header for them."""

    name: str
    servers: Sequence[Server]
    rule: Rule
    retries: int
    connect_seconds: float
    header: HeaderPolicy
    sends_unique_id: bool = field(default=False)

    def pick(self, tried: Sequence[Server]) -> Server | None:
        """Return the server for a session's next attempt, after those that it has tried; None if it has no more."""
        return next_server(self.rule, self.servers, tried, self.retries)


def open_backend(backend: config.Backend, protocol: MailProtocol, client_tls: MakeClientTls | None = None) -> Backend:
    """
    Make the backend of the configuration ready for one protocol; ValueError if its header or TLS cannot work.

    `client_tls` makes the TLS of its servers; backends that are opened with the same one share what they can.
    """
    client_tls = client_tls or client_sides()
    return Backend(
        name=backend.name,
        servers=tuple(_server(backend, server, protocol, client_tls) for server in backend.servers),
        rule=RULES[backend.balance],
        retries=backend.retries,
        connect_seconds=backend.timeout.connect,
        header=HeaderPolicy(backend, protocol),
        sends_unique_id="unique-id" in backend.proxy_v2_options,
    )


def _server(
    backend: config.Backend, server: config.Server, protocol: MailProtocol, client_tls: MakeClientTls
) -> Server:
    where = backend.address(server, protocol)
    host = str(where.host) if isinstance(where, InetServer | NamedServer) else None
    try:
        tls = None if server.tls is None else client_tls(server.tls, host)
    except ValueError as error:
        raise ValueError(f"server {server.name}, tls: {error}") from error
    if isinstance(where, UnixServer):
        return Server(server.name, Target(socket.AF_UNIX, where.path, tls))
    if not isinstance(where, InetServer):
        raise ValueError(f"server {server.name} has a name, {where}, and nobody looks it up yet")
    family = socket.AF_INET if where.host.version == 4 else socket.AF_INET6
    return Server(server.name, Target(family, (str(where.host), where.port), tls))
