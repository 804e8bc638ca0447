"""The facts about one client, as conditions see them."""

from __future__ import annotations

from typing import Protocol

from mailproxy.proxyprotocol import Tlv
from mailproxy.rules.unknown import Unknown

Text = str | None | Unknown
"""A fact; None if the client has none, as without TLS."""

Texts = tuple[str, ...] | Unknown
"""Facts of which a client may have several; empty without TLS."""


class Subject(Protocol):
    """
    One client.

    Facts of TLS are `UNKNOWN` while TLS may still come. For a client without TLS they are None or empty.
    """

    @property
    def source(self) -> bytes | Unknown | None:
        """The client's address, packed; None for a client of a UNIX socket."""

    @property
    def destination(self) -> bytes | Unknown | None:
        """The address that it has connected to, packed; None for a UNIX socket."""

    @property
    def port(self) -> int | Unknown | None:
        """The port that it has connected to; None for a UNIX socket."""

    @property
    def tlvs(self) -> tuple[Tlv, ...] | Unknown:
        """The TLVs of its PROXY header."""

    @property
    def sni(self) -> Text:
        """The name that it asks for."""

    @property
    def alpn(self) -> Text:
        """The protocol that ALPN has selected."""

    @property
    def tls_version(self) -> Text:
        """The version of TLS, as the configuration writes it."""

    @property
    def cipher(self) -> Text:
        """The cipher suite."""

    @property
    def group(self) -> Text:
        """The group of the key exchange."""

    @property
    def resumed(self) -> bool | Unknown | None:
        """Whether TLS resumed an earlier session."""

    @property
    def client_cn(self) -> Texts:
        """The common names of its certificate, if that is verified."""

    @property
    def client_san(self) -> Texts:
        """The alternative names of its certificate, if that is verified."""

    @property
    def client_issuer(self) -> Text:
        """The issuer of its certificate, if that is verified."""

    @property
    def client_fingerprint(self) -> Text:
        """The SHA-256 of its certificate, in hexadecimal digits."""

    @property
    def client_verified(self) -> bool | Unknown | None:
        """Whether it has a certificate that is verified."""
