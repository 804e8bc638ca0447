"""The header for a backend, made from the transport of a client's accepted connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import Any, cast, get_args

from attrs import Attribute, field, frozen
from OpenSSL.SSL import Connection
from twisted.internet.interfaces import ISSLTransport, ITransport

from mailproxy.announce.addresses import address_pair, unpacked
from mailproxy.announce.client_tls import ssl_tlv
from mailproxy.announce.header import HeaderPolicy
from mailproxy.endpoints.addresses import header_address
from mailproxy.endpoints.arguments import as_tuple
from mailproxy.endpoints.interfaces import IProxiedTransport
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol import Header, InetAddress, SslType, Tlv
from mailproxy.proxyprotocol.options import SSL_OPTIONS, HeaderKind, LibraryOption
from mailproxy.proxyprotocol.v2 import MAX_SIZE
from mailproxy.tls.connection import connection_facts
from mailproxy.tls.facts import TlsFacts

_SSL_TYPES = frozenset(SslType)


def _words(words: Collection[str]) -> Callable[[object, Attribute[Any], Any], None]:
    """Check a field whose value is one of the words, or a tuple of them."""

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        for word in value if isinstance(value, (tuple, list)) else (value,):
            if word not in words:
                raise ValueError(f"{attribute.name} {word!r} is none of {', '.join(words)}")

    return check


def _options(options: Iterable[LibraryOption]) -> tuple[LibraryOption, ...]:
    return cast(tuple[LibraryOption, ...], as_tuple("proxy_v2_options", options))


def _tlvs(tlvs: Iterable[Tlv]) -> tuple[Tlv, ...]:
    listed = as_tuple("tlvs", tlvs)
    if not all(isinstance(tlv, Tlv) for tlv in listed):
        raise ValueError(f"tlvs {listed} are not all Tlv")
    return cast(tuple[Tlv, ...], listed)


def _types(types: Iterable[int]) -> tuple[int, ...]:
    listed = as_tuple("pass_tlvs", types)
    if not all(isinstance(type, int) and 0 <= type <= 0xFF for type in listed):
        raise ValueError(f"pass_tlvs {listed} are not all types of TLVs, numbers from 0 to 255")
    return cast(tuple[int, ...], listed)


@frozen
class ClientHeader:
    """
    Makes the header for a client, called with the client's transport; the fields are those of a backend's settings.

    - `send_proxy`: ``v1``, ``v2``, ``v2-ssl`` (with the TLS facts) or ``v2-ssl-cn`` (and the common name of a client's
      certificate, if it is verified).
    - `profile`: the kind of backend, which limits what the header may have: ``dovecot``, ``postfix``, ``exim``,
      ``cyrus``, ``stalwart``, ``nginx``, ``generic``. `protocol` is the backend's protocol: ``imap``, ``pop3``, …
    - `proxy_v2_options`: further TLVs, see `LibraryOption`.
    - `tlvs`: TLVs that every header has, of any type but CRC32C, NOOP and SSL.
    - `pass_tlvs`: types of TLVs that are passed on from the header of the client's own connection.

    The TLS facts are the transport's own: TLS that only a header claims is not repeated as ours. A client without
    internet addresses is announced as LOCAL, in version 1 as UNKNOWN.
    """

    send_proxy: HeaderKind = field(default="v2-ssl", validator=_words(get_args(HeaderKind)))
    profile: str = field(default="generic", validator=_words(PROFILES))
    protocol: str = "tcp"
    proxy_v2_options: tuple[LibraryOption, ...] = field(
        default=(), converter=_options, validator=_words(get_args(LibraryOption))
    )
    tlvs: tuple[Tlv, ...] = field(default=(), converter=_tlvs)
    pass_tlvs: tuple[int, ...] = field(default=(), converter=_types)

    def __attrs_post_init__(self) -> None:
        """Refuse settings that cannot work, now and not with the first client."""
        if not (isinstance(self.protocol, str) and self.protocol):
            raise ValueError(f"protocol {self.protocol!r} is not a name; write 'imap' for example")
        for option in self.proxy_v2_options:
            if self.send_proxy == "v1" or (self.send_proxy == "v2" and option in SSL_OPTIONS):
                has = "a header of version 1 has no TLVs" if self.send_proxy == "v1" else "v2 has no SSL TLV"
                raise ValueError(f"{option} has no effect with send_proxy {self.send_proxy!r}: {has}")
        if self.send_proxy == "v1" and (self.tlvs or self.pass_tlvs):
            raise ValueError("tlvs and pass_tlvs have no effect with send_proxy 'v1': it has no TLVs")
        _ = self._policy

    @cached_property
    def _policy(self) -> HeaderPolicy:
        return HeaderPolicy(self, self.protocol)

    @property
    def budget(self) -> int:
        """The most bytes of a header for this kind of backend."""
        return PROFILES[self.profile].limit(client_cert="client-cert" in self.proxy_v2_options)

    def __call__(self, client: ITransport) -> Header:
        """Make the header; ValueError if the client's TLS handshake is not done yet."""
        received = client.proxyHeader if IProxiedTransport.providedBy(client) else None
        source, destination = header_address(client.getPeer()), header_address(client.getHost())
        return self._policy.describe(source, destination, transport_facts(client), received)[0]

    def describe(self, source: InetAddress, destination: InetAddress) -> Header:
        """Make the header for a client without TLS with these addresses."""
        return self._policy.describe(source, destination, None)[0]


def header_from_transport(
    transport: ITransport, tlvs: tuple[Tlv, ...] = (), *, version: int = 2, ssl: Collection[SslType] | None = ()
) -> Header:
    """
    Make the header for the client of an accepted connection: its addresses, `tlvs`, and the SSL TLV.

    `ssl` names the fields of the SSL TLV beside the TLS version; None: no SSL TLV. The common name is sent only from a
    verified certificate. Version 1 has neither TLVs nor SSL TLV. A client without internet addresses makes a LOCAL
    header without TLVs, in version 1 UNKNOWN. ValueError if the client's TLS handshake is not done yet.

    This function makes headers for `SendProxyClientEndpoint`, as it is or with `functools.partial`.
    """
    if version not in (1, 2):
        raise ValueError(f"there is no version {version!r}")
    if ssl is not None and not _SSL_TYPES.issuperset(ssl):
        raise ValueError(f"ssl {ssl!r} are not fields of the SSL TLV; write them as SslType.CN for example")
    pair = address_pair(header_address(transport.getPeer()), header_address(transport.getHost()))
    if version == 1:
        if tlvs:
            raise ValueError("a header of version 1 has no TLVs")
        return Header.proxy(*unpacked(pair), version=1) if pair else Header(version=1)
    if pair is None:
        return Header.local()
    if ssl is not None:
        tlvs = (*tlvs, ssl_tlv(transport_facts(transport), ssl, MAX_SIZE)[0].tlv())
    return Header.proxy(*unpacked(pair), tlvs)


def transport_facts(transport: ITransport) -> TlsFacts | None:
    """
    Return the facts of a transport's TLS, None if it has no TLS.

    ValueError before the handshake is done: wait for `IHandshakeListener.handshakeCompleted` or the first bytes.
    """
    if not ISSLTransport.providedBy(transport):
        return None
    connection = transport.getHandle()  # type: ignore[attr-defined]  # ITCPTransport's, and every TLS transport has it
    if not isinstance(connection, Connection):
        raise ValueError(f"{type(transport).__name__} has ended, or its TLS is not pyOpenSSL's")
    return connection_facts(connection)
