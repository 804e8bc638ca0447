"""HAProxy's words for headers (``send-proxy``) and for what a sender adds (``proxy-v2-options``), with its TLVs."""

from collections.abc import Mapping
from typing import Literal

from mailproxy.proxyprotocol.tlv import SslType, TlvType

HeaderKind = Literal["v1", "v2", "v2-ssl", "v2-ssl-cn"]
"""HAProxy's ``send-proxy``, plus a word for version 1, which HAProxy does not have."""

LibraryOption = Literal["ssl-cipher", "cert-sig", "cert-key", "authority", "alpn", "crc32c", "group", "client-cert"]
"""HAProxy 3.4 has all but ``alpn``, ``group`` and ``client-cert``."""

Option = Literal[LibraryOption, "unique-id"]
"""Only the service has sessions with ids."""

OPTIONS: Mapping[Option, TlvType | SslType] = {
    "ssl-cipher": SslType.CIPHER,
    "cert-sig": SslType.SIG_ALG,
    "cert-key": SslType.KEY_ALG,
    "authority": TlvType.AUTHORITY,
    "alpn": TlvType.ALPN,
    "crc32c": TlvType.CRC32C,
    "group": SslType.GROUP,
    "client-cert": SslType.CLIENT_CERT,
    "unique-id": TlvType.UNIQUE_ID,
}
"""A TLV of the header, or a field of the SSL TLV, which adds the SSL TLV."""

SSL_OPTIONS: frozenset[Option] = frozenset(word for word, type in OPTIONS.items() if isinstance(type, SslType))
"""The options that add the SSL TLV."""
