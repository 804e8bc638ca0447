"""Version 2, the binary header (section 2.2): 16 fixed bytes, the addresses, then TLVs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from mailproxy.proxyprotocol.address import UNIX_PATH_SIZE, Address, UnixAddress, inet_address
from mailproxy.proxyprotocol.crc32c import crc32c
from mailproxy.proxyprotocol.errors import HeaderRefused, HeaderTooLarge, MalformedHeader, NotProxyProtocol
from mailproxy.proxyprotocol.header import Command, Family, Header, Transport, internet
from mailproxy.proxyprotocol.ssl import SslTlv
from mailproxy.proxyprotocol.strictness import Strictness
from mailproxy.proxyprotocol.tlv import HEAD_SIZE, UNIQUE_ID_SIZE, Tlv, TlvType, parse_tlvs

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED_SIZE = 16
MAX_SIZE = FIXED_SIZE + 0xFFFF
CRC32C_SIZE = 4

_VERSION = 2
_FIXED = Struct(">12sBBH")
_INET = Struct(">4s4sHH")
_INET6 = Struct(">16s16sHH")
# The same for reading: ipaddress makes an address of an integer in half the time that bytes take.
_INET_NUMBERS = Struct(">IIHH")
_INET6_NUMBERS = Struct(">QQQQHH")
_UNIX = Struct(f">{UNIX_PATH_SIZE}s{UNIX_PATH_SIZE}s")

ADDRESS_SIZES = {Family.UNSPEC: 0, Family.INET: _INET.size, Family.INET6: _INET6.size, Family.UNIX: _UNIX.size}

_KINDS = {
    family << 4 | transport: (family, transport)
    for family, transport in [(Family.UNSPEC, Transport.UNSPEC)]
    + [(family, stream) for family in list(Family)[1:] for stream in (Transport.STREAM, Transport.DGRAM)]
}

# A look-up in an enumeration costs 0.1 µs in Python 3.11, and a header would need ten of them.
_COMMAND, _IPV4, _IPV6 = Command.PROXY, Family.INET, Family.INET6
_SSL, _CRC32C, _UNIQUE_ID = TlvType.SSL, TlvType.CRC32C, TlvType.UNIQUE_ID

_PROXY = _VERSION << 4 | Command.PROXY

_USUAL = {family << 4 | Transport.STREAM: ADDRESS_SIZES[family] for family in (Family.INET, Family.INET6)}
"""Bytes of the addresses, by family and protocol, of those PROXY headers that every strictness accepts."""


def measure(data: bytes | bytearray, strictness: Strictness) -> int | None:
    """
    Return the size of the header at the beginning of `data`, or None while its 16 fixed bytes are incomplete.

    Invalid fixed bytes are refused as soon as the deciding byte has arrived.
    """
    # The usual header, with all fixed bytes complete and valid, in a sixth of the time.
    if len(data) >= FIXED_SIZE:
        signature, command, kind, length = _FIXED.unpack_from(data)
        least = _USUAL.get(kind, MAX_SIZE)
        if signature == SIGNATURE and command == _PROXY and least <= length <= strictness.max_size - FIXED_SIZE:
            return FIXED_SIZE + int(length)
    return _measure_by_byte(data, strictness)


def _measure_by_byte(data: bytes | bytearray, strictness: Strictness) -> int | None:
    """Do as `measure`, one field after the other, and report which one is wrong."""
    _check_signature(bytes(data[: len(SIGNATURE)]))
    if len(data) > 12:
        _check_command(data[12], strictness)
    least = 0
    if len(data) > 13 and data[12] & 0x0F == Command.PROXY:
        # With LOCAL the receiver must ignore the family (section 2.2).
        least = _check_kind(data[13], strictness)
    if len(data) < FIXED_SIZE:
        return None
    length = data[14] << 8 | data[15]
    if length < least:
        family, _ = _KINDS[data[13]]
        raise MalformedHeader(f"{length} bytes follow, the addresses of {family.name} need {least}")
    if FIXED_SIZE + length > strictness.max_size:
        raise HeaderTooLarge(f"the header has {FIXED_SIZE + length} bytes, {strictness.max_size} are accepted")
    return FIXED_SIZE + length


def _check_signature(begin: bytes) -> None:
    if not SIGNATURE.startswith(begin):
        wrong = next(at for at, byte in enumerate(begin) if byte != SIGNATURE[at])
        raise NotProxyProtocol(f"byte {wrong} is 0x{begin[wrong]:02x}, 0x{SIGNATURE[wrong]:02x} in the signature")


def _check_command(byte: int, strictness: Strictness) -> None:
    version, command = byte >> 4, byte & 0x0F
    if version != _VERSION:
        raise MalformedHeader(f"version {version} at byte 12, the binary header has version {_VERSION}")
    if command not in (Command.LOCAL, Command.PROXY):
        raise MalformedHeader(f"command {command} at byte 12 is neither LOCAL (0) nor PROXY (1)")
    if command == Command.LOCAL and not strictness.accept_local:
        raise HeaderRefused("LOCAL is not accepted here")


def _check_kind(byte: int, strictness: Strictness) -> int:
    """Refuse a family and protocol, or return the size of their addresses."""
    if byte not in _KINDS:
        raise MalformedHeader(f"family and protocol 0x{byte:02x} at byte 13 are not a combination of the format")
    family, transport = _KINDS[byte]
    if byte not in _USUAL and not strictness.accept_unspec:
        kind = "UNSPEC" if family is Family.UNSPEC else f"{family.name} {transport.name}"
        raise HeaderRefused(f"PROXY without internet addresses of a stream ({kind}) is not accepted here")
    return ADDRESS_SIZES[family]


def parse(data: bytes) -> Header:
    """Read a whole header that `measure` has accepted."""
    if data[12] != _PROXY:
        start, tlvs = local_tlvs(data)
        _check(data, start, tlvs)
        return Header(_VERSION, Command.LOCAL, tlvs=tlvs)
    family, transport = _KINDS[data[13]]
    source, destination = _addresses(data, family)
    start = FIXED_SIZE + ADDRESS_SIZES[family]
    tlvs = parse_tlvs(data, start)
    _check(data, start, tlvs)
    return Header(_VERSION, _COMMAND, family, transport, source, destination, tlvs)


def local_tlvs(data: bytes) -> tuple[int, tuple[Tlv, ...]]:
    """
    Return the start of a LOCAL header's TLVs, and the TLVs, unchecked; none if no place has any.

    The receiver ignores the family and skips unreadable bytes. AWS's Network Load Balancer names a family in its health
    checks and sends TLVs without addresses, others send addresses before them: both places are tried.
    """
    family, _ = _KINDS.get(data[13], (Family.UNSPEC, Transport.UNSPEC))
    behind_addresses = FIXED_SIZE + ADDRESS_SIZES[family]
    for start in (FIXED_SIZE, behind_addresses):
        try:
            tlvs = parse_tlvs(data, start)
        except MalformedHeader:
            continue
        # No TLV has type 0: these bytes are addresses of zeroes.
        if start == behind_addresses or all(tlv.type for tlv in tlvs):
            return start, tlvs
    return behind_addresses, ()


def _addresses(data: bytes, family: Family) -> tuple[Address | None, Address | None]:
    if family is _IPV4:
        host, other, port, other_port = _INET_NUMBERS.unpack_from(data, FIXED_SIZE)
        return inet_address(IPv4Address(host), port), inet_address(IPv4Address(other), other_port)
    if family is _IPV6:
        high, low, other_high, other_low, port, other_port = _INET6_NUMBERS.unpack_from(data, FIXED_SIZE)
        host, other = IPv6Address(high << 64 | low), IPv6Address(other_high << 64 | other_low)
        return inet_address(host, port), inet_address(other, other_port)
    if family is Family.UNIX:
        source, destination = _UNIX.unpack_from(data, FIXED_SIZE)
        return UnixAddress(source), UnixAddress(destination)
    return None, None


def _check(data: bytes, position: int, tlvs: tuple[Tlv, ...]) -> None:
    """Refuse TLVs with invalid values: the checksum, the unique id's size, the fields of the SSL TLV."""
    has_checksum = False
    for tlv in tlvs:
        type, value = tlv.type, tlv.value
        if type == _SSL:
            SslTlv.check(value)
        elif type == _CRC32C:
            if has_checksum:
                raise MalformedHeader(f"a second CRC32C TLV at byte {position}: neither can be right")
            has_checksum = True
            _verify(data, position + HEAD_SIZE, value)
        elif type == _UNIQUE_ID and len(value) > UNIQUE_ID_SIZE:
            raise MalformedHeader(f"the UNIQUE_ID TLV has {len(value)} bytes, at most {UNIQUE_ID_SIZE} are allowed")
        position += HEAD_SIZE + len(value)


def _verify(data: bytes, value_at: int, value: bytes) -> None:
    if len(value) != CRC32C_SIZE:
        raise MalformedHeader(f"the CRC32C TLV has {len(value)} bytes, not {CRC32C_SIZE}")
    computed = crc32c(data[:value_at] + bytes(CRC32C_SIZE) + data[value_at + CRC32C_SIZE :])
    if computed != int.from_bytes(value):
        raise MalformedHeader(f"the CRC32C TLV says {value.hex()}, the header's bytes give {computed:08x}")


def pack(header: Header, tlvs: bytes) -> bytearray:
    """Write a header with these TLVs; ValueError for a header that the specification does not have."""
    kind = header.family << 4 | header.transport
    if kind not in _KINDS or (header.command is Command.LOCAL and kind):
        raise ValueError(f"no header is {header.command.name} {header.family.name} {header.transport.name}")
    addresses = _pack_addresses(header)
    length = len(addresses) + len(tlvs)
    fixed = _FIXED.pack(SIGNATURE, _VERSION << 4 | header.command, kind, length)
    return bytearray(b"".join((fixed, addresses, tlvs)))


def _pack_addresses(header: Header) -> bytes:
    if header.family is Family.INET or header.family is Family.INET6:
        source, destination = internet(header)
        layout = _INET if header.family is Family.INET else _INET6
        packed = source.host.packed, destination.host.packed
        if not layout.size == 4 + len(packed[0]) + len(packed[1]) == 4 + 2 * len(packed[0]):
            raise ValueError(f"{header.family.name} does not fit {source} and {destination}")
        return layout.pack(*packed, source.port, destination.port)
    match header.source, header.destination:
        case UnixAddress() as from_path, UnixAddress() as to_path if header.family is Family.UNIX:
            return _UNIX.pack(from_path.path, to_path.path)
        case None, None if header.family is Family.UNSPEC:
            return b""
    raise ValueError(f"{header.family.name} does not fit {header.source} and {header.destination}")
