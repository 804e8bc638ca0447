"""The PROXY header of our own connections to a server."""

from __future__ import annotations

import socket
from typing import Any, Protocol

from attrs import evolve

from mailproxy.announce.addresses import PackedAddress
from mailproxy.announce.client_tls import OFFLOADED
from mailproxy.announce.header import BackendHeader
from mailproxy.config.model import CheckHeader, SendProxy
from mailproxy.proxyprotocol import Header, encode
from mailproxy.tls.facts import TlsFacts
from mailproxy.transport.outgoing import HeaderSource

LIKE_TLS = evolve(OFFLOADED, version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256")
"""What a header says of a connection that is to be treated like one with TLS."""


class Policy(Protocol):
    """What builds headers for clients: `mailproxy.announce.header.HeaderPolicy`."""

    def build(
        self, source: PackedAddress | None, destination: PackedAddress | None, facts: TlsFacts | None
    ) -> BackendHeader:
        """Make the header for one client."""


_PORT = 49152
"""The port in a header without a connection, if we have no port: the first of the unregistered ones."""

# Addresses for documentation (RFC 5737, RFC 3849), which no host has; the first unlike the other end is used.
_NOBODY = {
    socket.AF_INET: (b"\xc0\0\2\1", b"\xc0\0\2\2"),
    socket.AF_INET6: (b"\x20\1\x0d\xb8" + bytes(11) + b"\1", b"\x20\1\x0d\xb8" + bytes(11) + b"\2"),
}


def foreign_header(policy: Policy, facts: TlsFacts | None, destination: PackedAddress | None = None) -> HeaderSource:
    """
    Return what makes the header of a client from elsewhere.

    `destination` is where clients connect to: Dovecot's ``local`` blocks look at it. None names the server.

    Dovecot 2.4 takes a connection for secured whose two ends have one address: what it offers there is not what it
    offers to clients, so our own address must not be sent where both run on one machine.
    """

    def header(sock: socket.SocketType) -> bytes:
        there, here = destination or _packed(sock.getpeername()), _packed(sock.getsockname())
        if there is None or here is None:
            first, second = _NOBODY[socket.AF_INET]
            return policy.build((first, _PORT), (second, _PORT), facts).data
        family = socket.AF_INET if len(there[0]) == 4 else socket.AF_INET6
        source = next(host for host in _NOBODY[family] if host != there[0])
        return policy.build((source, here[1]), there, facts).data

    return header


def own_header(policy: Policy, facts: TlsFacts | None) -> HeaderSource:
    """Return the function that makes the header with our own end of a connection, in place of a client's."""

    def header(sock: socket.SocketType) -> bytes:
        return policy.build(_packed(sock.getsockname()), _packed(sock.getpeername()), facts).data

    return header


def check_header(kind: CheckHeader, send_proxy: SendProxy, policy: Policy, facts: TlsFacts | None) -> HeaderSource:
    """
    Return the header of a check.

    "local" is the protocol's own way to say that nobody is behind the connection (spec section 2.2). There is nothing
    in it: Dovecot before 2.3.15 chokes on a LOCAL header that has something. Version 1 says UNKNOWN (section 2.1).
    """
    if send_proxy == "none" or kind == "none":
        return b""
    if kind == "proxy":
        return own_header(policy, facts)
    return encode(Header(version=1) if send_proxy == "v1" else Header.local()).data


def _packed(name: Any) -> PackedAddress | None:
    if not isinstance(name, tuple):
        return None  # a UNIX socket
    family = socket.AF_INET6 if ":" in name[0] else socket.AF_INET
    return socket.inet_pton(family, name[0]), name[1]
