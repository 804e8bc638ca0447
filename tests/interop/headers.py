"""A second, independent reading of PROXY headers, so that the project's codec does not judge itself."""

import struct
from ipaddress import ip_address

from attrs import frozen

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_LONGEST = 107

LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6 = 0x11, 0x21
ADDRESS_BYTES = {0x00: 0, 0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216}

CERT_BITS = 0x06  # PP2_CLIENT_CERT_CONN and PP2_CLIENT_CERT_SESS

ALPN, AUTHORITY, CRC32C, UNIQUE_ID, SSL = 0x01, 0x02, 0x03, 0x05, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG = 0x21, 0x22, 0x23, 0x24, 0x25

_CASTAGNOLI = 0x82F63B78  # the CRC32c polynomial, bits reflected


@frozen
class Ssl:
    """The SSL TLV: its two fixed fields and what it contains."""

    client: int
    verify: int
    inner: tuple[tuple[int, bytes], ...]

    def get(self, kind: int) -> bytes | None:
        return dict(self.inner).get(kind)


@frozen
class WireHeader:
    """One v2 header taken apart."""

    command: int
    family: int
    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    tlvs: tuple[tuple[int, bytes], ...]

    def get(self, kind: int) -> bytes | None:
        return dict(self.tlvs).get(kind)

    @property
    def ssl(self) -> Ssl | None:
        value = self.get(SSL)
        if value is None:
            return None
        client, verify = struct.unpack_from("!BI", value)
        return Ssl(client, verify, _tlvs(value[5:]))


def length(data: bytes) -> int | None:
    """How long the header is that these bytes begin with; None when more of them are needed to know."""
    if data.startswith(b"PROXY"):
        end = data.find(b"\r\n")
        assert end >= 0 or len(data) < V1_LONGEST, data
        return None if end < 0 else end + 2
    if len(data) < 16:
        return None
    assert data.startswith(SIGNATURE), data
    return 16 + int.from_bytes(data[14:16])


def parse(data: bytes) -> WireHeader:
    """A complete v2 header."""
    assert length(data) == len(data), data
    command, family = data[12], data[13]
    end = 16 + ADDRESS_BYTES[family]
    source = destination = None
    if family in (TCP4, TCP6):
        size = (end - 16 - 4) // 2
        source_port, destination_port = struct.unpack("!HH", data[end - 4 : end])
        source = str(ip_address(data[16 : 16 + size])), source_port
        destination = str(ip_address(data[16 + size : 16 + 2 * size])), destination_port
    return WireHeader(command, family, source, destination, _tlvs(data[end:]))


def parse_v1(line: bytes) -> tuple[str, tuple[str, int], tuple[str, int]]:
    """The protocol, source and destination of a v1 line."""
    name, protocol, source, destination, source_port, destination_port = line.decode("ascii").split(" ")
    assert name == "PROXY"
    assert destination_port.endswith("\r\n")
    return protocol, (source, int(source_port)), (destination, int(destination_port))


def v2(command: int, family: int, addresses: bytes = b"", *tlvs: tuple[int, bytes]) -> bytes:
    """The bytes of a v2 header."""
    rest = addresses + b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in tlvs)
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


def tcp4(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """The address block of a TCP over IPv4 header."""
    return (
        ip_address(source[0]).packed + ip_address(destination[0]).packed + struct.pack("!HH", source[1], destination[1])
    )


def offset_of(data: bytes, kind: int) -> int:
    """Where the value of a top-level TLV begins in a v2 header."""
    position = 16 + ADDRESS_BYTES[data[13]]
    while data[position] != kind:
        position += 3 + int.from_bytes(data[position + 1 : position + 3])
    return position + 3


def crc32c(data: bytes) -> int:
    """CRC32c (RFC 4960, appendix B), bit by bit."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CASTAGNOLI if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def with_crc32c_zeroed(data: bytes) -> bytes:
    """A v2 header with the value of its CRC32C TLV set to zero."""
    at = offset_of(data, CRC32C)
    return data[:at] + bytes(4) + data[at + 4 :]


def _tlvs(data: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    while data:
        kind, size = struct.unpack_from("!BH", data)
        assert len(data) >= 3 + size, f"TLV {kind:#x} says {size} bytes, {len(data) - 3} remain"
        found.append((kind, data[3 : 3 + size]))
        data = data[3 + size :]
    return tuple(found)
