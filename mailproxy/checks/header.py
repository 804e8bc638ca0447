"""The PROXY header of our own connections to a server."""

from __future__ import annotations

import socket
from typing import Any, Protocol

from mailproxy.announce.ends import PackedAddress
from mailproxy.announce.header import BackendHeader
from mailproxy.config.model import CheckHeader, SendProxy
from mailproxy.proxyprotocol import Header as ProxyHeader
from mailproxy.proxyprotocol import encode
from mailproxy.tls.facts import TlsFacts
from mailproxy.transport.outgoing import Header

LIKE_TLS = TlsFacts(
    version="TLSv1.3",
    cipher="TLS_AES_128_GCM_SHA256",
    group=None,
    server_name=None,
    alpn=None,
    resumed=False,
    certificate_sig_alg=None,
    certificate_key_alg=None,
    client_certificate=None,
    client_common_names=(),
    verify=1,
)
"""What a header says of a connection that is to be treated like one with TLS."""


class Policy(Protocol):
    """What builds headers for clients: `mailproxy.announce.header.HeaderPolicy`."""

    def build(
        self, source: PackedAddress | None, destination: PackedAddress | None, facts: TlsFacts | None
    ) -> BackendHeader:
        """Make the header for one client."""


def own_header(policy: Policy, facts: TlsFacts | None) -> Header:
    """Return what makes the header that tells of our own end of a connection, as it would of a client's."""

    def header(sock: socket.SocketType) -> bytes:
        return policy.build(_packed(sock.getsockname()), _packed(sock.getpeername()), facts).data

    return header


def check_header(kind: CheckHeader, send_proxy: SendProxy, policy: Policy, facts: TlsFacts | None) -> Header:
    """
    Return the header of a check.

    "local" is the protocol's own way to say that nobody is behind the connection (spec section 2.2). There is nothing
    in it: Dovecot before 2.3.15 chokes on a LOCAL header that has something. Version 1 says UNKNOWN (section 2.1).
    """
    if send_proxy == "none" or kind == "none":
        return b""
    if kind == "proxy":
        return own_header(policy, facts)
    return encode(ProxyHeader(version=1) if send_proxy == "v1" else ProxyHeader.local()).data


def _packed(name: Any) -> PackedAddress | None:
    if not isinstance(name, tuple):
        return None  # a UNIX socket
    family = socket.AF_INET6 if ":" in name[0] else socket.AF_INET
    return socket.inet_pton(family, name[0]), name[1]
