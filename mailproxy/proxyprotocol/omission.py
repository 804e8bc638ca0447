"""
Which TLVs are left out of a header if the receiver's buffer is small.

Receivers drop the connection of a header with more than 232 (Exim, Cyrus), 536 (Postfix) or 1500 bytes (Dovecot), so a
header never exceeds its budget. A TLV is included whole or not at all.

Mandatory are the checksum and, of the SSL TLV, the flags, the verdict and VERSION: without them a secured client would
look like an unsecured one. The rest goes in by this order, the most wanted first, each if it still fits:

1. CN, by which the backend may log the client in
2. AUTHORITY, by which it chooses a configuration
3. CIPHER
4. ALPN
5. UNIQUE_ID
6. custom and unknown TLVs, in the header's order: someone asked for each of them
7. NETNS
8. KEY_ALG, SIG_ALG, GROUP, SIG_SCHEME, unknown fields of the SSL TLV
9. CLIENT_CERT, the largest and the one fewest read
10. NOOP, which is only padding
"""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.proxyprotocol.ssl import SslTlv
from mailproxy.proxyprotocol.tlv import HEAD_SIZE, SslType, Tlv, TlvType

_SSL_FIXED_SIZE = HEAD_SIZE + 5

_CUSTOM = 6
_WANTED: dict[int, int] = {
    TlvType.AUTHORITY: 2,
    TlvType.ALPN: 4,
    TlvType.UNIQUE_ID: 5,
    TlvType.NETNS: 7,
    TlvType.NOOP: 10,
}
_OTHER_SSL = 8
_WANTED_SSL: dict[int, int] = {SslType.CN: 1, SslType.CIPHER: 3, SslType.CLIENT_CERT: 9}

_Place = tuple[int, int]
"""The place of a TLV: its index in the header, and its index inside the SSL TLV or -1."""


def fit(tlvs: Sequence[Tlv], room: int) -> tuple[tuple[Tlv, ...], tuple[Tlv, ...]]:
    """
    Return the TLVs that fit into `room` bytes, and those left out, both in the header's order.

    ValueError if even the mandatory ones don't fit.
    """
    ssl = {at: SslTlv.parse(tlv.value) for at, tlv in enumerate(tlvs) if tlv.type == TlvType.SSL}
    free = room - _mandatory_size(tlvs, ssl)
    if free < 0:
        raise ValueError(f"the TLVs that must be there need {room - free} bytes, {room} are left for them")
    left_out: dict[_Place, Tlv] = {}
    for _, place, tlv in sorted(_optional(tlvs, ssl), key=lambda item: item[:2]):
        if tlv.size <= free:
            free -= tlv.size
        else:
            left_out[place] = tlv
    kept = [
        _without(ssl[at], at, left_out) if at in ssl else tlv for at, tlv in enumerate(tlvs) if (at, -1) not in left_out
    ]
    return tuple(kept), tuple(left_out[place] for place in sorted(left_out))


def _mandatory_size(tlvs: Sequence[Tlv], ssl: dict[int, SslTlv]) -> int:
    checksums = sum(tlv.size for tlv in tlvs if tlv.type == TlvType.CRC32C)
    versions = sum(field.size for value in ssl.values() for field in value.tlvs if field.type == SslType.VERSION)
    return checksums + _SSL_FIXED_SIZE * len(ssl) + versions


def _optional(tlvs: Sequence[Tlv], ssl: dict[int, SslTlv]) -> list[tuple[int, _Place, Tlv]]:
    """Return what may be left out, each with its rank in the order above and its place."""
    optional = []
    for at, tlv in enumerate(tlvs):
        if at in ssl:
            optional += [
                (_WANTED_SSL.get(field.type, _OTHER_SSL), (at, inside), field)
                for inside, field in enumerate(ssl[at].tlvs)
                if field.type != SslType.VERSION
            ]
        elif tlv.type != TlvType.CRC32C:
            optional.append((_WANTED.get(tlv.type, _CUSTOM), (at, -1), tlv))
    return optional


def _without(value: SslTlv, at: int, left_out: dict[_Place, Tlv]) -> Tlv:
    kept = tuple(field for inside, field in enumerate(value.tlvs) if (at, inside) not in left_out)
    return SslTlv(value.client, value.verify, kept).tlv()
