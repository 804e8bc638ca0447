"""The servers of a backend as sockets know them, for one protocol."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from mailproxy import config
from mailproxy.balance import first
from mailproxy.balance.attempt import next_server
from mailproxy.config.model import MailProtocol, UnixServer
from mailproxy.session.header import HeaderPolicy

Rule = Callable[[Sequence["Server"], bytes], "Server"]

RULES: Mapping[str, Rule] = {"first": first.pick}
"""The rules by the word that the configuration has for them."""


@frozen(eq=False)
class Server:
    """One server: its name, and where to connect to."""

    name: str
    family: socket.AddressFamily
    address: Any
    """What ``connect`` takes for the family."""


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


def open_backend(backend: config.Backend, protocol: MailProtocol) -> Backend:
    """Make the backend of the configuration ready for one protocol; ValueError if its header cannot work."""
    return Backend(
        name=backend.name,
        servers=tuple(_server(backend, server, protocol) for server in backend.servers),
        rule=RULES[backend.balance],
        retries=backend.retries,
        connect_seconds=backend.timeout.connect,
        header=HeaderPolicy(backend, protocol),
        sends_unique_id="unique-id" in backend.proxy_v2_options,
    )


def _server(backend: config.Backend, server: config.Server, protocol: MailProtocol) -> Server:
    where = backend.address(server, protocol)
    if isinstance(where, UnixServer):
        return Server(server.name, socket.AF_UNIX, where.path)
    family = socket.AF_INET if where.host.version == 4 else socket.AF_INET6
    return Server(server.name, family, (str(where.host), where.port))
