"""What a backend is told of a client: the header, made from the transport of the client's accepted connection."""

from __future__ import annotations

from functools import cached_property

from attrs import field, frozen
from attrs.validators import deep_iterable, in_
from OpenSSL.SSL import Connection
from twisted.internet.interfaces import ISSLTransport, ITransport

from mailproxy.endpoints.addresses import header_address
from mailproxy.endpoints.interfaces import IProxiedTransport
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol import Header, InetAddress, Tlv
from mailproxy.session.header import HeaderPolicy
from mailproxy.tls.connection import connection_facts
from mailproxy.tls.facts import TlsFacts

KINDS = ("v1", "v2", "v2-ssl", "v2-ssl-cn")
"""What `ClientHeader` can make, in HAProxy's words less their ``send-proxy``."""

OPTIONS = ("ssl-cipher", "cert-sig", "cert-key", "group", "client-cert", "authority", "alpn", "crc32c")
"""What `ClientHeader` can add."""


@frozen
class ClientHeader:
    """
    Makes the header for a client, called with the client's transport; the fields are those of a backend's settings.

    - `send_proxy`: ``v1``, ``v2``, ``v2-ssl`` (with the TLS facts) or ``v2-ssl-cn`` (and the common name of a client's
      certificate, if it is verified).
    - `profile`: the kind of backend, which decides what it may be told: ``dovecot``, ``postfix``, ``exim``, ``cyrus``,
      ``stalwart``, ``nginx``, ``generic``. `protocol` is what is spoken to it: ``imap``, ``pop3``, …
    - `proxy_v2_options`: what else is told, of `OPTIONS`.
    - `tlvs`: TLVs of types 0xE0 to 0xF7 that every header has.
    - `pass_tlvs`: types of TLVs that are passed on from the header that the client's connection itself began with.

    The TLS facts are the transport's own: TLS that a header only tells of is not ours to assert. A client without
    internet addresses is announced as LOCAL, in version 1 as UNKNOWN.
    """

    send_proxy: str = field(default="v2-ssl", validator=in_(KINDS))
    profile: str = field(default="generic", validator=in_(tuple(PROFILES)))
    protocol: str = "tcp"
    proxy_v2_options: tuple[str, ...] = field(default=(), validator=deep_iterable(in_(OPTIONS)))
    tlvs: tuple[Tlv, ...] = ()
    pass_tlvs: tuple[int, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse, now and not with the first client, what cannot be told."""
        _ = self._policy

    @cached_property
    def _policy(self) -> HeaderPolicy:
        return HeaderPolicy(self, self.protocol)

    @property
    def budget(self) -> int:
        """The bytes that a header may have for this kind of backend."""
        return PROFILES[self.profile].limit(client_cert="client-cert" in self.proxy_v2_options)

    def __call__(self, client: ITransport) -> Header:
        """Make the header; ValueError if the client's TLS handshake is not done yet."""
        received = client.proxyHeader if IProxiedTransport.providedBy(client) else None
        source, destination = header_address(client.getPeer()), header_address(client.getHost())
        return self._policy.describe(source, destination, transport_facts(client), received)[0]

    def describe(self, source: InetAddress, destination: InetAddress) -> Header:
        """Make the header for a client in clear with these addresses."""
        return self._policy.describe(source, destination, None)[0]


def transport_facts(transport: ITransport) -> TlsFacts | None:
    """
    Return what a transport's TLS has negotiated, None if it has none.

    ValueError before the handshake is done: wait for `IHandshakeListener.handshakeCompleted` or the first bytes.
    """
    if not ISSLTransport.providedBy(transport):
        return None
    connection = transport.getHandle()  # type: ignore[attr-defined]  # ITCPTransport's, and every TLS transport has it
    if not isinstance(connection, Connection):
        raise ValueError(f"{type(transport).__name__} is over, or its TLS is not pyOpenSSL's")
    return connection_facts(connection)
