"""The addresses a header can carry (section 2.2): internet endpoints and UNIX socket paths."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from attrs import field, frozen

from mailproxy.proxyprotocol.mapped import MAPPED

UNIX_PATH_SIZE = 108
"""Bytes of a UNIX address in a version 2 header, padded with NULs."""


def _without_scope(host: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(host, IPv4Address):
        return host
    if not isinstance(host, IPv6Address):
        raise ValueError(f"host {host!r} is not an address of ipaddress; InetAddress.parse reads text, '192.0.2.1:25'")
    # A scope ("%eth0") names an interface of this machine, which means nothing to the receiver.
    return IPv6Address(host.packed) if host.scope_id else host


@frozen
class InetAddress:
    """An IPv4 or IPv6 address with a port from 0 to 65535."""

    host: IPv4Address | IPv6Address = field(converter=_without_scope)
    port: int

    def __attrs_post_init__(self) -> None:
        """Refuse a port that no header can carry."""
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 0 and 65535")

    @classmethod
    def parse(cls, text: str) -> InetAddress:
        """Read ``192.0.2.1:25`` or ``[2001:db8::1]:25``; ValueError says what is wrong."""
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        wrong = f"{text!r} is not an address with a port like 192.0.2.1:25 or [2001:db8::1]:25"
        try:
            address = ip_address(host[1:-1] if bracketed else host)
        except ValueError as error:
            raise ValueError(f"{wrong}: {error}" if colon else wrong) from None
        if bracketed != isinstance(address, IPv6Address) or not (port.isascii() and port.isdigit()):
            raise ValueError(wrong)
        return cls(address, int(port))

    @property
    def unmapped(self) -> InetAddress:
        """The same address, in IPv4 if it is an IPv4-mapped IPv6 one (``::ffff:192.0.2.1``)."""
        mapped = self.host.ipv4_mapped if isinstance(self.host, IPv6Address) else None
        return InetAddress(mapped, self.port) if mapped else self

    @property
    def mapped(self) -> InetAddress:
        """The same address in IPv6, IPv4-mapped if it is an IPv4 one."""
        if isinstance(self.host, IPv6Address):
            return self
        return InetAddress(IPv6Address(MAPPED + self.host.packed), self.port)

    def __str__(self) -> str:
        """Write it as in a log: ``192.0.2.1:25``, ``[2001:db8::1]:25``."""
        return host_port(self.host, self.port)


def host_port(host: object, port: int) -> str:
    """Write a host, a name or an address, and its port: an IPv6 address is in brackets (RFC 3986 section 3.2.2)."""
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


_set_host = InetAddress.__dict__["host"].__set__
_set_port = InetAddress.__dict__["port"].__set__


def inet_address(host: IPv4Address | IPv6Address, port: int) -> InetAddress:
    """
    Make an `InetAddress` without checks: from a host without scope, and a port of two bytes.

    Every header has two of them, and the constructor of a frozen class with a check costs three times as much as this.
    """
    address = InetAddress.__new__(InetAddress)
    _set_host(address, host)
    _set_port(address, port)
    return address


def _without_padding(path: bytes) -> bytes:
    if not isinstance(path, bytes):
        raise ValueError(f"path {path!r} is not of bytes")
    # A path ends at its first NUL; in the abstract namespace, which starts with a NUL, only the padding goes.
    return path.rstrip(b"\0") if path.startswith(b"\0") else path.partition(b"\0")[0]


@frozen
class UnixAddress:
    """The path of a UNIX socket, at most 108 bytes, empty for an unnamed socket; the padding is not part of it."""

    path: bytes = field(converter=_without_padding)

    def __attrs_post_init__(self) -> None:
        """Refuse a path that no header can carry."""
        if len(self.path) > UNIX_PATH_SIZE:
            raise ValueError(f"a UNIX path of {len(self.path)} bytes is longer than {UNIX_PATH_SIZE}")

    def __str__(self) -> str:
        """Write it as in a log: ``unix:/run/mail.sock``, ``unix:@abstract``."""
        return "unix:" + self.path.replace(b"\0", b"@").decode("utf-8", "backslashreplace")


Address = InetAddress | UnixAddress
