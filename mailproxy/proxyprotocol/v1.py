"""Version 1, the line of text (section 2.1): ``PROXY TCP4 192.0.2.1 192.0.2.9 40000 143`` and CRLF."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address

from mailproxy.proxyprotocol.address import inet_address
from mailproxy.proxyprotocol.errors import HeaderTooLarge, MalformedHeader, NotProxyProtocol
from mailproxy.proxyprotocol.header import Command, Family, Header, Transport, internet

SIGNATURE = b"PROXY "
MAX_SIZE = 107
"""Bytes of the longest line with its CRLF: the specification's number, so a receiver needs no larger buffer."""

_KEYWORDS = (b"TCP4 ", b"TCP6 ", b"UNKNOWN ", b"UNKNOWN\r")
_BEGINNINGS = tuple(SIGNATURE + keyword for keyword in _KEYWORDS)
_SHORTEST = {b"TCP4": len("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), b"TCP6": len("PROXY TCP6 :: :: 0 0\r\n")}
_SHORTEST_OF_ALL = len("PROXY UNKNOWN\r\n")
_OCTETS = {str(number).encode(): number for number in range(256)}
_HEXADECIMAL = b"0123456789abcdefABCDEF:"
_LF, _ZERO = ord("\n"), ord("0")
# A look-up in an enumeration costs 0.1 µs in Python 3.11.
_PROXY, _STREAM, _IPV4, _IPV6 = Command.PROXY, Transport.STREAM, Family.INET, Family.INET6


def measure(data: bytes | bytearray, max_size: int) -> int | None:
    """
    Return the size of the line at the beginning of `data`, CRLF included, or None while its end is missing.

    Bytes that cannot become a header are refused at once.
    """
    if not data.startswith(_BEGINNINGS):
        _check_beginning(data)
    limit = min(MAX_SIZE, max_size)
    # The CR of a line within the limit is at the last byte but one, or before.
    cr = data.find(b"\r", 0, limit - 1)
    lf = data.find(b"\n", 0, limit - 1 if cr < 0 else cr)
    if lf >= 0:
        raise _break_alone(lf)
    if cr < 0:
        if len(data) >= limit - 1:
            raise HeaderTooLarge(f"no CRLF within {limit} bytes, which a version 1 header may have")
        return None
    if len(data) < cr + 2:
        return None
    if data[cr + 1] != _LF:
        raise _break_alone(cr)
    return cr + 2


def _break_alone(at: int) -> MalformedHeader:
    # A lone CR or LF does not end a line: programs that disagree on the end of a line can be made to read different
    # headers.
    return MalformedHeader(f"CR and LF are not together at byte {at}")


def _check_beginning(data: bytes | bytearray) -> None:
    begin = bytes(data[: len(SIGNATURE)])
    if not SIGNATURE.startswith(begin):
        raise NotProxyProtocol(f"it begins with {begin!r}, a version 1 header begins with {SIGNATURE!r}")
    keyword = bytes(data[len(SIGNATURE) : len(SIGNATURE) + 8])
    if not any(known.startswith(keyword) for known in _KEYWORDS):
        raise MalformedHeader(f"{keyword!r} at byte {len(SIGNATURE)} is not TCP4, TCP6 or UNKNOWN")


def wanted(data: bytes | bytearray) -> int:
    """Return the least number of missing bytes, after `data` for which `measure` returned None."""
    shortest = _SHORTEST.get(bytes(data[len(SIGNATURE) : len(SIGNATURE) + 4]), _SHORTEST_OF_ALL)
    return max(shortest - len(data), 1 if data.endswith(b"\r") else 2)


def parse(line: bytes) -> Header:
    """Read a whole line, CRLF included, that `measure` has accepted."""
    fields = line[len(SIGNATURE) : -2].split(b" ")
    protocol = fields[0]
    if protocol == b"UNKNOWN":
        return Header(version=1)  # "the receiver must ignore anything presented before the CRLF"
    if len(fields) != 5:
        raise MalformedHeader(
            f"{len(fields)} fields after PROXY, {protocol.decode()} needs 5 with single spaces between them"
        )
    family, quick = (_IPV4, _ipv4) if protocol == b"TCP4" else (_IPV6, _ipv6)
    source = inet_address(quick(fields[1]) or _host(fields[1], family, "source"), _port(fields[3], "source"))
    host = quick(fields[2]) or _host(fields[2], family, "destination")
    return Header(1, _PROXY, family, _STREAM, source, inet_address(host, _port(fields[4], "destination")))


# ipaddress needs more time for two texts than everything else takes together. These two functions read the usual forms
# in half of it. For any other form they return None: ipaddress reads it then, or says what is wrong with it.


def _ipv4(text: bytes) -> IPv4Address | None:
    try:
        first, second, third, fourth = text.split(b".")
        number = _OCTETS[first] << 24 | _OCTETS[second] << 16 | _OCTETS[third] << 8 | _OCTETS[fourth]
    except (KeyError, ValueError):
        return None
    return IPv4Address(number)


def _ipv6(text: bytes) -> IPv6Address | None:
    before, gap, after = text.partition(b"::")
    groups = before.split(b":") if before else []
    if gap:
        behind = after.split(b":") if after else []
        missing = 8 - len(groups) - len(behind)
        if missing < 1:
            return None
        groups += [b"0"] * missing + behind
    if len(groups) != 8 or b"" in groups or text.translate(None, _HEXADECIMAL):
        return None
    digits = b"%4b%4b%4b%4b%4b%4b%4b%4b" % tuple(groups)
    return IPv6Address(int(digits.replace(b" ", b"0"), 16)) if len(digits) == 32 else None


def _host(field: bytes, family: Family, which: str) -> IPv4Address | IPv6Address:
    text = field.decode("latin-1")
    try:
        # Both refuse what the specification refuses: leading zeroes, numbers too large, other notations.
        host = IPv4Address(text) if family is Family.INET else IPv6Address(text)
    except AddressValueError as error:
        raise MalformedHeader(f"the {which} address {text!r} is not an {family.name} one: {error}") from None
    if isinstance(host, IPv6Address) and host.scope_id:
        raise MalformedHeader(f"the {which} address {text!r} has a scope")
    return host


def _port(field: bytes, which: str) -> int:
    if field.isdigit() and (field[0] != _ZERO or field == b"0") and (port := int(field)) <= 65535:
        return port
    text = field.decode("latin-1")
    raise MalformedHeader(f"the {which} port {text!r} is not a number from 0 to 65535 without leading zeroes")


def pack(header: Header) -> bytes:
    """
    Write the line of a header.

    LOCAL and PROXY without addresses both become ``PROXY UNKNOWN``. ValueError for contents that version 1 cannot
    carry: TLVs, UNIX addresses, datagrams.
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
