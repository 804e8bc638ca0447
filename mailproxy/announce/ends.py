"""
The two ends of a client's connection, as a header tells them.

Internet addresses at both ends are told; with a UNIX socket or an unknown end, nothing is: Dovecot and Postfix take
nothing but TCP, and HAProxy does the same. Two IPv4-mapped ends are IPv4 (Dovecot would log ``::ffff:192.0.2.9``); an
IPv4 end beside an IPv6 one is mapped, since a header has one family.
"""

from ipaddress import ip_address
from struct import Struct

from mailproxy.proxyprotocol import Address, InetAddress
from mailproxy.proxyprotocol.v2 import SIGNATURE

PackedAddress = tuple[bytes, int]
"""
An internet address as the 4 or 16 bytes of ``inet_pton``, and the port.

A header has just that in it, and it costs a twentieth of an `InetAddress`, which counts once per connection.
"""

Ends = tuple[bytes, bytes, int, int]
"""Source and destination, packed and of one family, and their ports: the order in which a header has them."""

_MAPPED = bytes(10) + b"\xff\xff"
_PROXY = 0x21
_TCP4 = 0x11
_TCP6 = 0x21
_HEADER4 = Struct("!12sBBH4s4sHH")
_HEADER6 = Struct("!12sBBH16s16sHH")


def ends_of(source: Address | PackedAddress | None, destination: Address | PackedAddress | None) -> Ends | None:
    """Return both ends as the header tells them; None if there is nothing to tell."""
    from_, to = _packed(source), _packed(destination)
    if from_ is None or to is None:
        return None
    host, other = from_[0], to[0]
    if len(host) != 4 or len(other) != 4:
        host, other = _of_one_family(host, other)
    return host, other, from_[1], to[1]


def _packed(address: Address | PackedAddress | None) -> PackedAddress | None:
    if isinstance(address, tuple):
        return address
    return (address.host.packed, address.port) if isinstance(address, InetAddress) else None


def _of_one_family(*hosts: bytes) -> tuple[bytes, bytes]:
    if all(len(host) == 4 or host.startswith(_MAPPED) for host in hosts):
        source, destination = (host[-4:] for host in hosts)
    else:
        source, destination = (host if len(host) == 16 else _MAPPED + host for host in hosts)
    return source, destination


def header_bytes(ends: Ends, tlvs: bytes) -> bytes:
    """
    Return the version 2 header of a client with these ends and TLVs.

    This is what `mailproxy.proxyprotocol.encode` does with a `Header`, without the objects that it is made of: in
    a quarter of a microsecond instead of five.
    """
    if len(ends[0]) == 4:
        return _HEADER4.pack(SIGNATURE, _PROXY, _TCP4, 12 + len(tlvs), *ends) + tlvs
    return _HEADER6.pack(SIGNATURE, _PROXY, _TCP6, 36 + len(tlvs), *ends) + tlvs


def addresses(ends: Ends) -> tuple[InetAddress, InetAddress]:
    """Return both ends as the codec's addresses."""
    source, destination, source_port, destination_port = ends
    return InetAddress(ip_address(source), source_port), InetAddress(ip_address(destination), destination_port)
