"""Addresses as values: of listening sockets, of servers, and of senders."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from attrs import frozen

from mailproxy.proxyprotocol.address import host_port

Network = IPv4Network | IPv6Network
Sender = Network | Literal["unix"]
"""The source of connections: a network, or UNIX sockets."""

UNIX: Literal["unix"] = "unix"
"""The word for the clients of UNIX sockets."""


def _joined(host: IPv4Address | IPv6Address, port: int | None) -> str:
    if port is None:
        return f"[{host}]" if host.version == 6 else str(host)
    return host_port(host, port)


@frozen
class InetBind:
    """An address and port to listen on; ``[::]`` is IPv6 alone, port 0 is any free port."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return _joined(self.host, self.port)


@frozen
class UnixBind:
    """A UNIX socket to listen on."""

    path: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return self.path


@frozen
class SystemdBind:
    """The listening sockets that systemd hands over under a name: ``FileDescriptorName=`` of socket units."""

    name: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"systemd:{self.name}"


Bind = InetBind | UnixBind | SystemdBind


@frozen
class InetServer:
    """A server's address; without a port, the backend's `ports` has one for each protocol."""

    host: IPv4Address | IPv6Address
    port: int | None = None

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return _joined(self.host, self.port)


@frozen
class UnixServer:
    """A server's UNIX socket."""

    path: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return self.path


@frozen
class NamedServer:
    """A server, or several, by host name; without a port, the backend's `ports` has one for each protocol."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return self.host if self.port is None else host_port(self.host, self.port)


@frozen
class SrvServer:
    """The servers of a service, by the name of its SRV records, which have their ports (RFC 2782)."""

    name: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"srv:{self.name}"


ServerAddress = InetServer | UnixServer | NamedServer | SrvServer
