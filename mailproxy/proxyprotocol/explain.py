"""A header field by field, for people: each field's offset, bytes and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import chain, repeat, takewhile
from textwrap import wrap

from attrs import frozen

from mailproxy.proxyprotocol import v1, v2
from mailproxy.proxyprotocol.address import UNIX_PATH_SIZE, InetAddress, UnixAddress
from mailproxy.proxyprotocol.cloud import aws_vpc_endpoint_id, azure_link_id, gcp_psc_connection_id
from mailproxy.proxyprotocol.decoder import Decoder
from mailproxy.proxyprotocol.errors import ProxyProtocolError
from mailproxy.proxyprotocol.header import Command, Family, Header, Transport
from mailproxy.proxyprotocol.ssl import SslClient
from mailproxy.proxyprotocol.strictness import Strictness
from mailproxy.proxyprotocol.tlv import HEAD_SIZE, TlvType, tlv_name

_EVERYTHING = Strictness(max_size=v2.MAX_SIZE)
_BYTES_PER_LINE = 16
_HEX_WIDTH = len(bytes(_BYTES_PER_LINE).hex(" ", -4))
_SSL_FIXED_SIZE = 5
_LINE = ("protocol", "source address", "destination address", "source port", "destination port")


@frozen
class Field:
    """Some bytes of a header: their offset, the bytes, their meaning, and their depth inside other fields."""

    offset: int
    data: bytes
    meaning: str
    depth: int = 0

    def __str__(self) -> str:
        """Write it as lines of at most 16 bytes each: offset, hex, and the meaning on the first."""
        chunks = wrap(self.data.hex(), 2 * _BYTES_PER_LINE) or [""]
        rows = [
            f"{self.offset + at * _BYTES_PER_LINE:5}  {bytes.fromhex(chunk).hex(' ', -4):{_HEX_WIDTH}}"
            for at, chunk in enumerate(chunks)
        ]
        return "\n".join([f"{rows[0]}  {'  ' * self.depth}{self.meaning}", *(row.rstrip() for row in rows[1:])])


@frozen
class Explanation:
    """The fields up to the header's end, or up to its error; the decoder's result; and the bytes after it."""

    fields: tuple[Field, ...]
    header: Header | None
    error: ProxyProtocolError | None
    unused: bytes

    def __str__(self) -> str:
        """Write one field after the other, without the error."""
        lines = [str(field) for field in self.fields]
        if self.unused:
            lines.append(f"{len(self.unused)} bytes follow the header: they belong to the connection")
        return "\n".join(lines)


def explain(data: bytes, strictness: Strictness = _EVERYTHING) -> Explanation:
    """Explain the header at the beginning of `data`, as far as it is valid. Raises nothing."""
    decoder = Decoder(strictness)
    header, error = None, None
    try:
        header = decoder.feed(data)
        decoder.end()
    except ProxyProtocolError as refusal:
        error = refusal
    fields = _version_1(data) if data.startswith(v1.SIGNATURE) else _version_2(data)
    return Explanation(tuple(fields), header, error, decoder.unused if header else b"")


def _version_1(data: bytes) -> Iterator[Field]:
    """Name the fields of a line, as many as there are."""
    line, crlf, _ = data[: v1.MAX_SIZE].partition(b"\r\n")
    yield Field(0, v1.SIGNATURE, "signature of version 1")
    is_unknown = line.startswith(v1.SIGNATURE + b"UNKNOWN ")
    meanings = ("protocol", "ignored") if is_unknown else _LINE
    position = len(v1.SIGNATURE)
    parts = line[position:].split(b" ", 1 if is_unknown else -1)
    for part, meaning in zip(parts, chain(meanings, repeat("too much")), strict=False):
        yield Field(position, line[position : position + len(part) + 1], f"{meaning} {_text(part)}")
        position += len(part) + 1
    if crlf:
        yield Field(len(line), crlf, "end of the header")


def _version_2(data: bytes) -> Iterator[Field]:
    """Name the fields of a binary header, as many as there are."""
    signature = bytes(
        byte for byte, _ in takewhile(lambda pair: pair[0] == pair[1], zip(data, v2.SIGNATURE, strict=False))
    )
    if signature != v2.SIGNATURE:
        if signature:
            yield Field(0, signature, "beginning of a version 2 signature")
        return
    yield Field(0, signature, "signature of version 2")
    if len(data) > 12:
        yield Field(12, data[12:13], f"version {data[12] >> 4}, command {_command(data[12] & 0x0F)}")
    if len(data) > 13:
        yield Field(13, data[13:14], _kind(data[13]))
    if len(data) < v2.FIXED_SIZE:
        return
    length = int.from_bytes(data[14:16])
    yield Field(14, data[14:16], f"{length} bytes follow, the header has {v2.FIXED_SIZE + length}")
    data = data[: v2.FIXED_SIZE + length]
    is_local = data[12] & 0x0F == Command.LOCAL
    family = _family(data[13])
    if is_local:
        start, tlvs = v2.local_tlvs(data)
        if tlvs and start == v2.FIXED_SIZE:
            family = Family.UNSPEC  # whatever the family, there are no addresses
    addresses = list(_addresses(data, family))
    for field in addresses:
        yield Field(field.offset, field.data, f"ignored, LOCAL: {field.meaning}") if is_local else field
    position = v2.FIXED_SIZE + sum(len(field.data) for field in addresses)
    if position == v2.FIXED_SIZE + v2.ADDRESS_SIZES[family]:
        yield from _tlvs(data, position, 0)


def _command(number: int) -> str:
    return Command(number).name if number in (0, 1) else f"{number}, which is unknown"


def _family(kind: int) -> Family:
    return Family(kind >> 4) if kind >> 4 in tuple(Family) else Family.UNSPEC


def _kind(kind: int) -> str:
    if kind >> 4 not in tuple(Family) or kind & 0x0F not in tuple(Transport):
        return f"family {kind >> 4}, transport {kind & 0x0F}: which the format does not have"
    return f"family {Family(kind >> 4).name}, transport {Transport(kind & 0x0F).name}"


def _addresses(data: bytes, family: Family) -> Iterator[Field]:
    """Name the complete addresses and ports."""
    if family is Family.UNSPEC:
        return
    size = {Family.INET: 4, Family.INET6: 16, Family.UNIX: UNIX_PATH_SIZE}[family]
    position = v2.FIXED_SIZE
    for meaning in ("source address", "destination address"):
        part = data[position : position + size]
        if len(part) < size:
            return
        yield Field(position, part, f"{meaning} {_address(part, family)}")
        position += size
    for meaning in ("source port", "destination port") if family is not Family.UNIX else ():
        part = data[position : position + 2]
        if len(part) < 2:
            return
        yield Field(position, part, f"{meaning} {int.from_bytes(part)}")
        position += 2


def _address(part: bytes, family: Family) -> str:
    if family is Family.UNIX:
        return str(UnixAddress(part))
    return str(IPv4Address(part) if family is Family.INET else InetAddress(IPv6Address(part), 0).host)


def _tlvs(data: bytes, position: int, depth: int) -> Iterator[Field]:
    """Name the TLVs from `position` to the end of `data`, and the one that does not fit, if there is one."""
    while position < len(data):
        head = data[position : position + HEAD_SIZE]
        if len(head) < HEAD_SIZE:
            yield Field(position, head, "truncated TLV", depth)
            return
        length = int.from_bytes(head[1:])
        value_at = position + HEAD_SIZE
        value = data[value_at : value_at + length]
        missing = f", {len(value)} remain" if len(value) < length else ""
        yield Field(position, head, f"TLV {tlv_name(head[0])}, {length} bytes{missing}", depth)
        position = value_at + length
        if head[0] == TlvType.SSL and depth == 0 and len(value) >= _SSL_FIXED_SIZE:
            yield from _ssl(data[: value_at + len(value)], value_at)
        elif value:
            yield Field(value_at, value, _value(head[0], value), depth + 1)


def _ssl(data: bytes, position: int) -> Iterator[Field]:
    """Name what is inside the SSL TLV, whose value is `data` from `position` on."""
    client, verify = data[position], data[position + 1 : position + _SSL_FIXED_SIZE]
    flags = [f"{flag.name}" for flag in SslClient if client & flag] or ["no TLS"]
    yield Field(position, data[position : position + 1], f"client: {', '.join(flags)}", 1)
    number = int.from_bytes(verify)
    verdict = "a certificate was verified, if there was one" if number == 0 else "no certificate was verified"
    yield Field(position + 1, verify, f"verify {number}: {verdict}", 1)
    yield from _tlvs(data, position + _SSL_FIXED_SIZE, 1)


def _value(type: int, value: bytes) -> str:
    match type:
        case TlvType.CRC32C:
            return "checksum of the whole header"
        case TlvType.NOOP:
            return "padding, ignored"
        case TlvType.AWS if vpc_endpoint := aws_vpc_endpoint_id(value):
            return f"VPC endpoint {vpc_endpoint}"
        case TlvType.AZURE if (link := azure_link_id(value)) is not None:
            return f"private endpoint link {link}"
        case TlvType.GCP if (connection := gcp_psc_connection_id(value)) is not None:
            return f"Private Service Connect connection {connection}"
    return _text(value)


def _text(value: bytes) -> str:
    """Write bytes as quoted text if they are text, safe to print on a terminal."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return "binary"
    return f'"{text}"' if text.isprintable() else "binary"
