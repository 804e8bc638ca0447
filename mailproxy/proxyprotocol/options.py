"""HAProxy's words for what a sender adds to a header (``proxy-v2-options``), and the TLV that each adds."""

from collections.abc import Mapping
from typing import Literal

from mailproxy.proxyprotocol.tlv import SslType, TlvType

Option = Literal[
    "ssl-cipher", "cert-sig", "cert-key", "authority", "alpn", "crc32c", "unique-id", "group", "client-cert"
]
"""HAProxy 3.4 has all but ``alpn``, ``group`` and ``client-cert``."""

OPTIONS: Mapping[Option, TlvType | SslType] = {
    "ssl-cipher": SslType.CIPHER,
    "cert-sig": SslType.SIG_ALG,
    "cert-key": SslType.KEY_ALG,
    "authority": TlvType.AUTHORITY,
    "alpn": TlvType.ALPN,
    "crc32c": TlvType.CRC32C,
    "unique-id": TlvType.UNIQUE_ID,
    "group": SslType.GROUP,
    "client-cert": SslType.CLIENT_CERT,
}
"""A TLV of the header, or a field of the SSL TLV, which brings the SSL TLV along."""

SSL_OPTIONS: frozenset[Option] = frozenset(word for word, type in OPTIONS.items() if isinstance(type, SslType))
"""The options that bring the SSL TLV along."""
