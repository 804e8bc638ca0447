"""The facts of a session, as rules see them."""

from __future__ import annotations

from typing import Protocol

from mailproxy.announce.addresses import PackedAddress
from mailproxy.proxyprotocol import Address, Header, InetAddress, Tlv
from mailproxy.rules.unknown import UNKNOWN, Unknown
from mailproxy.session.addresses import announced_source
from mailproxy.tls.client_names import client_names, fingerprint
from mailproxy.tls.facts import TlsFacts

_VERSION = "TLSv"


class Described(Protocol):
    """A session with what rules ask about its client, except for TLS."""

    source: Address | PackedAddress | None
    destination: Address | PackedAddress | None
    header: Header | None


class ClientSubject:
    """A client; its TLS is `UNKNOWN` while it may still come, and None if it does not."""

    __slots__ = ("_session", "_tls", "source")

    def __init__(self, session: Described, tls: TlsFacts | Unknown | None) -> None:
        self._session = session
        self._tls = tls
        source = session.source
        self.source = source[0] if isinstance(source, tuple) else announced_source(source)
        """The client's address; most rules that are tried for a client ask for it."""

    @property
    def destination(self) -> bytes | None:
        """The address that it has connected to."""
        destination = self._session.destination
        if isinstance(destination, tuple):
            return destination[0]
        return destination.host.packed if isinstance(destination, InetAddress) else None

    @property
    def port(self) -> int | None:
        """The port that it has connected to."""
        destination = self._session.destination
        if isinstance(destination, tuple):
            return destination[1]
        return destination.port if isinstance(destination, InetAddress) else None

    @property
    def tlvs(self) -> tuple[Tlv, ...]:
        """The TLVs of the PROXY header."""
        header = self._session.header
        return () if header is None else header.tlvs

    @property
    def sni(self) -> str | Unknown | None:
        """The name that it asks for."""
        tls = self._tls
        return tls.server_name if isinstance(tls, TlsFacts) else tls

    @property
    def alpn(self) -> str | Unknown | None:
        """The protocol that ALPN has selected."""
        tls = self._tls
        if not isinstance(tls, TlsFacts):
            return tls
        return None if tls.alpn is None else tls.alpn.decode("latin-1")

    @property
    def tls_version(self) -> str | Unknown | None:
        """The version of TLS, without OpenSSL's ``TLSv``."""
        tls = self._tls
        return tls.version.removeprefix(_VERSION) if isinstance(tls, TlsFacts) else tls

    @property
    def cipher(self) -> str | Unknown | None:
        """The cipher suite."""
        tls = self._tls
        return tls.cipher if isinstance(tls, TlsFacts) else tls

    @property
    def group(self) -> str | Unknown | None:
        """The group of the key exchange."""
        tls = self._tls
        return tls.group if isinstance(tls, TlsFacts) else tls

    @property
    def resumed(self) -> bool | Unknown | None:
        """Whether TLS resumed an earlier session."""
        tls = self._tls
        return tls.resumed if isinstance(tls, TlsFacts) else tls

    @property
    def client_cn(self) -> tuple[str, ...] | Unknown:
        """The common names of a verified certificate."""
        tls = self._tls
        if tls is UNKNOWN:
            return UNKNOWN
        return tls.client_common_names if tls is not None and _is_verified(tls) else ()

    @property
    def client_san(self) -> tuple[str, ...] | Unknown:
        """The alternative names of a verified certificate."""
        tls = self._tls
        if tls is UNKNOWN:
            return UNKNOWN
        if tls is None or tls.client_certificate is None or not _is_verified(tls):
            return ()
        return client_names(tls.client_certificate).alternatives

    @property
    def client_issuer(self) -> str | Unknown | None:
        """The issuer of a verified certificate."""
        tls = self._tls
        if not isinstance(tls, TlsFacts):
            return tls
        if tls.client_certificate is None or not _is_verified(tls):
            return None
        return client_names(tls.client_certificate).issuer

    @property
    def client_fingerprint(self) -> str | Unknown | None:
        """The SHA-256 of a certificate, verified or not."""
        tls = self._tls
        if not isinstance(tls, TlsFacts):
            return tls
        return None if tls.client_certificate is None else fingerprint(tls.client_certificate)

    @property
    def client_verified(self) -> bool | Unknown | None:
        """Whether it has a verified certificate."""
        tls = self._tls
        return _is_verified(tls) if isinstance(tls, TlsFacts) else tls


def _is_verified(tls: TlsFacts) -> bool:
    return tls.client_certificate is not None and tls.verify == 0
