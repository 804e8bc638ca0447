"""Version 1, the line of text (section 2.1): ``PROXY TCP4 192.0.2.1 192.0.2.9 40000 143`` and CRLF."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from mailproxy.proxyprotocol.address import InetAddress
from mailproxy.proxyprotocol.errors import HeaderTooLarge, MalformedHeader, NotProxyProtocol
from mailproxy.proxyprotocol.header import Command, Family, Header, Transport, internet

SIGNATURE = b"PROXY "
MAX_SIZE = 107
"""Bytes of the longest line with its CRLF: the specification's number, so a receiver needs no larger buffer."""

_KEYWORDS = (b"TCP4 ", b"TCP6 ", b"UNKNOWN ", b"UNKNOWN\r")
_SHORTEST = {b"TCP4": len("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), b"TCP6": len("PROXY TCP6 :: :: 0 0\r\n")}
_SHORTEST_OF_ALL = len("PROXY UNKNOWN\r\n")
_LINE_BREAK = re.compile(rb"[\r\n]")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")


def measure(data: bytearray, max_size: int) -> int | None:
    """
    Return the size of the line that `data` begins with, CRLF included, or None while its end is not there.

    What can no longer become a header is refused at once.
    """
    begin = bytes(data[: len(SIGNATURE)])
    if not SIGNATURE.startswith(begin):
        raise NotProxyProtocol(f"it begins with {begin!r}, a version 1 header begins with {SIGNATURE!r}")
    keyword = bytes(data[len(SIGNATURE) : len(SIGNATURE) + 8])
    if not any(known.startswith(keyword) or keyword.startswith(known) for known in _KEYWORDS):
        raise MalformedHeader(f"{keyword!r} at byte {len(SIGNATURE)} is none of TCP4, TCP6 and UNKNOWN")
    limit = min(MAX_SIZE, max_size)
    # The CR of a line within the limit is at the last byte but one, or before.
    line_break = _LINE_BREAK.search(data, 0, limit - 1)
    if line_break is None:
        if len(data) >= limit - 1:
            raise HeaderTooLarge(f"no CRLF within {limit} bytes, which a version 1 header may have")
        return None
    end = line_break.end() + 1
    # CR or LF alone is no end of line: two programs that disagree on where a line ends can be told two stories.
    if data[line_break.start()] == 0x0A or (len(data) >= end and data[end - 1] != 0x0A):
        raise MalformedHeader(f"CR and LF are not together at byte {line_break.start()}")
    return end if len(data) >= end else None


def wanted(data: bytearray) -> int:
    """Return how many bytes are missing at least, after `data` of which `measure` said None."""
    shortest = _SHORTEST.get(bytes(data[len(SIGNATURE) : len(SIGNATURE) + 4]), _SHORTEST_OF_ALL)
    return max(shortest - len(data), 1 if data.endswith(b"\r") else 2)


def parse(line: bytes) -> Header:
    """Read a whole line, CRLF included, that `measure` has accepted."""
    fields = line[len(SIGNATURE) : -2].decode("latin-1").split(" ")
    if fields[0] == "UNKNOWN":
        return Header(version=1)  # "the receiver must ignore anything presented before the CRLF"
    if len(fields) != 5:
        raise MalformedHeader(f"{len(fields)} fields after PROXY, {fields[0]} needs 5 with single spaces between them")
    family = Family.INET if fields[0] == "TCP4" else Family.INET6
    source = InetAddress(_host(fields[1], family, "source"), _port(fields[3], "source"))
    destination = InetAddress(_host(fields[2], family, "destination"), _port(fields[4], "destination"))
    return Header(1, Command.PROXY, family, Transport.STREAM, source, destination)


def _host(text: str, family: Family, which: str) -> IPv4Address | IPv6Address:
    try:
        # Both refuse what the specification refuses: leading zeroes, numbers too large, other notations.
        host = IPv4Address(text) if family is Family.INET else IPv6Address(text)
    except AddressValueError as error:
        raise MalformedHeader(f"the {which} address {text!r} is not an {family.name} one: {error}") from None
    if isinstance(host, IPv6Address) and host.scope_id:
        raise MalformedHeader(f"the {which} address {text!r} has a scope")
    return host


def _port(text: str, which: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise MalformedHeader(f"the {which} port {text!r} is not a number from 0 to 65535 without leading zeroes")
    return int(text)


def pack(header: Header) -> bytes:
    """
    Write the line of a header.

    LOCAL and PROXY without addresses both become ``PROXY UNKNOWN``. ValueError for what version 1 cannot say: TLVs,
    UNIX addresses, datagrams.
    """
    if header.tlvs:
        raise ValueError(f"version 1 cannot carry TLVs, {header.tlvs[0].name} for example")
    if header.command is Command.LOCAL or header.family is Family.UNSPEC:
        return b"PROXY UNKNOWN\r\n"
    if header.family is Family.UNIX or header.transport is not Transport.STREAM:
        raise ValueError(f"version 1 cannot say {header.family.name} {header.transport.name}, only TCP")
    source, destination = internet(header)
    version = 4 if header.family is Family.INET else 6
    if not source.host.version == destination.host.version == version:
        raise ValueError(f"{header.family.name} does not fit {source} and {destination}")
    line = f"PROXY TCP{version} {_text(source.host)} {_text(destination.host)} {source.port} {destination.port}\r\n"
    return line.encode("ascii")


def _text(host: IPv4Address | IPv6Address) -> str:
    # As inet_ntop and so HAProxy writes it; str() does so only from Python 3.13 on.
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return f"::ffff:{mapped}" if mapped else str(host)
