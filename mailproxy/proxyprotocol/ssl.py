"""The SSL TLV (section 2.2.6): the sender's TLS facts about the client."""

from __future__ import annotations

from enum import IntFlag
from struct import Struct

from attrs import field, frozen

from mailproxy.proxyprotocol.errors import MalformedHeader
from mailproxy.proxyprotocol.tlv import SslType, Tlv, TlvType, are_tlvs, as_tuple, pack_tlvs, parse_tlvs

NOT_VERIFIED = 1
"""
``verify`` without a certificate.

The spec requires a non-zero value unless a certificate was presented and verified. HAProxy sends 0 here, nginx 1 as we
do; Dovecot accepts both.
"""

_HEAD = Struct(">BI")


class SslClient(IntFlag):
    """How the client is connected: over TLS, with a certificate on this connection, with one in this TLS session."""

    SSL = 0x01
    CERT_CONN = 0x02
    CERT_SESS = 0x04


# Enumerations are slow in Python 3.11: a look-up takes 0.1 µs, to make a flag of a number or of two most of 1 µs.
_VERSION, _CN, _CIPHER, _SIG_ALG, _KEY_ALG, _GROUP, _SIG_SCHEME, _CLIENT_CERT = SslType
_CLIENTS = tuple(SslClient(number) for number in range(0x100))
_CERTIFICATE = int(SslClient.CERT_CONN | SslClient.CERT_SESS)


@frozen
class SslTlv:
    """
    The SSL TLV's value.

    `verify` is 0 only if the client presented a certificate and it was verified. A receiver should trust the
    certificate's fields only if `has_verified_certificate` is true: some senders leave `verify` at 0 without any
    certificate.
    """

    client: SslClient
    verify: int
    tlvs: tuple[Tlv, ...] = field(default=(), converter=as_tuple)

    @classmethod
    def parse(cls, value: bytes) -> SslTlv:
        """Read the value of a TLV of type 0x20; `MalformedHeader` if it is too short or a field does not fit."""
        if len(value) < _HEAD.size:
            raise MalformedHeader(f"the SSL TLV has {len(value)} bytes, at least {_HEAD.size} are needed")
        client, verify = _HEAD.unpack_from(value)
        return cls(_CLIENTS[client], verify, parse_tlvs(value, _HEAD.size, "the SSL TLV"))

    @classmethod
    def check(cls, value: bytes) -> None:
        """Raise the errors of `parse`, without making its result."""
        if len(value) < _HEAD.size or not are_tlvs(value, _HEAD.size):
            cls.parse(value)

    def tlv(self) -> Tlv:
        """Return the TLV that carries this value."""
        if not (0 <= self.client <= 0xFF and 0 <= self.verify <= 0xFFFFFFFF):
            raise ValueError(f"client {int(self.client)} is not one byte or verify {self.verify} not four")
        return Tlv(TlvType.SSL, _HEAD.pack(self.client, self.verify) + pack_tlvs(self.tlvs))

    def first(self, type: int) -> bytes | None:
        """Return the value of the first field of this type."""
        for tlv in self.tlvs:
            if tlv.type == type:
                return tlv.value
        return None

    @property
    def has_verified_certificate(self) -> bool:
        """Whether the client presented a certificate, now or earlier in its TLS session, and it was verified."""
        return int(self.client) & _CERTIFICATE != 0 and self.verify == 0

    @property
    def version(self) -> str | None:
        """The TLS version, as OpenSSL names it: ``TLSv1.3``."""
        return self._text(_VERSION)

    @property
    def common_name(self) -> str | None:
        """The common name of the client certificate's subject; see `has_verified_certificate`."""
        return self._text(_CN)

    @property
    def cipher(self) -> str | None:
        """The cipher, as OpenSSL names it: ``TLS_AES_256_GCM_SHA384``."""
        return self._text(_CIPHER)

    @property
    def sig_alg(self) -> str | None:
        """The algorithm that signed the certificate the client was shown: ``RSA-SHA256``."""
        return self._text(_SIG_ALG)

    @property
    def key_alg(self) -> str | None:
        """The key of the certificate the client was shown: ``RSA2048``, ``EC256``."""
        return self._text(_KEY_ALG)

    @property
    def group(self) -> str | None:
        """The key exchange group: ``secp256r1``."""
        return self._text(_GROUP)

    @property
    def sig_scheme(self) -> str | None:
        """The scheme that signed the key exchange: ``rsa_pss_rsae_sha256``."""
        return self._text(_SIG_SCHEME)

    @property
    def client_cert(self) -> bytes | None:
        """The client's certificate in DER."""
        return self.first(_CLIENT_CERT)

    def _text(self, type: int) -> str | None:
        return text_of(self.first(type))


def text_of(value: bytes | None) -> str | None:
    """Return a value as text, or None if it is missing or not UTF-8: partly decoded names must not be compared."""
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return None
