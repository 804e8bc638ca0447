"""From a `Header` to its bytes, within a budget."""

from __future__ import annotations

from attrs import frozen

from mailproxy.proxyprotocol import v1, v2
from mailproxy.proxyprotocol.crc32c import crc32c as checksum
from mailproxy.proxyprotocol.header import Header
from mailproxy.proxyprotocol.omission import fit
from mailproxy.proxyprotocol.tlv import HEAD_SIZE, UNIQUE_ID_SIZE, Tlv, TlvType, pack_tlvs

_UNSIGNED = Tlv(TlvType.CRC32C, bytes(v2.CRC32C_SIZE))


@frozen
class Encoded:
    """The bytes of a header, and the TLVs (and fields of the SSL TLV) that did not fit into the budget."""

    data: bytes
    left_out: tuple[Tlv, ...] = ()


def encode(header: Header, *, budget: int | None = None, crc32c: bool = False) -> Encoded:
    """
    Write a header in at most `budget` bytes (None: what the format allows).

    TLVs stay in the header's order. Optional TLVs that do not fit are left out whole, in the order that `omission`
    documents, and reported. The value of a CRC32C TLV is always computed; with `crc32c` and no such TLV, one is put
    first. ValueError if the mandatory part does not fit, if a UNIQUE_ID has more than 128 bytes, or if the header's
    version cannot carry its contents.
    """
    if header.version == 1:
        return Encoded(_version_1(header, budget, crc32c))
    if header.version != 2:
        raise ValueError(f"there is no version {header.version}")
    for tlv in header.tlvs:
        if tlv.type == TlvType.UNIQUE_ID and len(tlv.value) > UNIQUE_ID_SIZE:
            raise ValueError(f"the UNIQUE_ID TLV has {len(tlv.value)} bytes, at most {UNIQUE_ID_SIZE} are allowed")
    tlvs = _unsigned(header.tlvs, crc32c)
    left_out: tuple[Tlv, ...] = ()
    packed = pack_tlvs(tlvs)
    room = _room(header, budget)
    if len(packed) > room:
        tlvs, left_out = fit(tlvs, room)
        packed = pack_tlvs(tlvs)
    data = v2.pack(header, packed)
    if _UNSIGNED in tlvs:
        _sign(data, len(data) - len(packed), tlvs)
    return Encoded(bytes(data), left_out)


def _version_1(header: Header, budget: int | None, crc32c: bool) -> bytes:
    if crc32c:
        raise ValueError("version 1 cannot carry a checksum")
    data = v1.pack(header)
    if budget is not None and len(data) > budget:
        raise ValueError(f"the version 1 header has {len(data)} bytes, {budget} are allowed")
    return data


def _room(header: Header, budget: int | None) -> int:
    """Return the bytes that a version 2 header has for TLVs."""
    room = (
        (v2.MAX_SIZE if budget is None else min(budget, v2.MAX_SIZE)) - v2.FIXED_SIZE - v2.ADDRESS_SIZES[header.family]
    )
    if room < 0:
        raise ValueError(
            f"{header.family.name} headers have at least {(budget or 0) - room} bytes, {budget} are allowed"
        )
    return room


def _unsigned(tlvs: tuple[Tlv, ...], wanted: bool) -> tuple[Tlv, ...]:
    """Return the TLVs with every checksum zeroed, and one added first if it is wanted and missing."""
    if not any(tlv.type == TlvType.CRC32C for tlv in tlvs):
        return (_UNSIGNED, *tlvs) if wanted else tlvs
    if sum(tlv.type == TlvType.CRC32C for tlv in tlvs) > 1:
        raise ValueError("a header has at most one CRC32C TLV")
    return tuple(_UNSIGNED if tlv.type == TlvType.CRC32C else tlv for tlv in tlvs)


def _sign(data: bytearray, position: int, tlvs: tuple[Tlv, ...]) -> None:
    """Put the checksum into its TLV, the TLVs beginning at `position`."""
    for tlv in tlvs[: tlvs.index(_UNSIGNED)]:
        position += tlv.size
    value_at = position + HEAD_SIZE
    data[value_at : value_at + v2.CRC32C_SIZE] = checksum(data).to_bytes(v2.CRC32C_SIZE)
