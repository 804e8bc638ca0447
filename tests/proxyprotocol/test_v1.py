from ipaddress import AddressValueError, IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailproxy.proxyprotocol import (
    Address,
    Command,
    Decoder,
    Family,
    Header,
    HeaderTooLarge,
    InetAddress,
    MalformedHeader,
    NotProxyProtocol,
    ProxyProtocolError,
    Strictness,
    Tlv,
    Transport,
    UnixAddress,
    decode,
    encode,
)
from tests.proxyprotocol.generated import ports

V4 = (InetAddress.parse("192.0.2.1:40000"), InetAddress.parse("198.51.100.9:143"))
V6 = (InetAddress.parse("[2001:db8::1]:40000"), InetAddress.parse("[2001:db8::9]:143"))
LONGEST = b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n"


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\r\n", Header.proxy(*V4, version=1)),
        (b"PROXY TCP6 2001:db8::1 2001:db8::9 40000 143\r\n", Header.proxy(*V6, version=1)),
        (b"PROXY UNKNOWN\r\n", Header(version=1)),
        (b"PROXY TCP6 ::1 ::ffff:192.0.2.1 0 65535\r\n",
         Header.proxy(InetAddress.parse("[::1]:0"), InetAddress.parse("192.0.2.1:65535"), version=1)),
    ],
)  # fmt: skip
def test_line_and_header_are_the_same(line: bytes, header: Header) -> None:
    assert encode(header).data == line
    assert decode(line) == header


@pytest.mark.parametrize("rest", [b" ", b" ::1 ::1 1 2", b" ffff:f...f:ffff ffff:f...f:ffff 65535 65535", b" \0\xff"])
def test_unknown_with_anything_after_it_is_accepted(rest: bytes) -> None:
    assert decode(b"PROXY UNKNOWN" + rest + b"\r\n") == Header(version=1)


def test_upper_case_hex_is_accepted() -> None:
    assert decode(b"PROXY TCP6 2001:DB8::1 2001:DB8::9 40000 143\r\n") == Header.proxy(*V6, version=1)


def test_longest_tcp6_line_is_accepted() -> None:
    assert decode(LONGEST).version == 1


def test_line_of_107_bytes_is_accepted() -> None:
    assert decode(b"PROXY UNKNOWN ".ljust(105, b"x") + b"\r\n").version == 1


def test_line_of_108_bytes_is_refused() -> None:
    with pytest.raises(HeaderTooLarge, match="no CRLF within 107 bytes"):
        decode(b"PROXY UNKNOWN ".ljust(106, b"x") + b"\r\n")


def test_line_that_cannot_end_in_time_is_refused_before_it_is_too_long() -> None:
    decoder = Decoder()
    decoder.feed(b"PROXY UNKNOWN ".ljust(105, b"x"))
    with pytest.raises(HeaderTooLarge):
        decoder.feed(b"x")


def test_lower_limit_of_the_receiver_counts_too() -> None:
    with pytest.raises(HeaderTooLarge, match="52"):
        decode(b"PROXY TCP6 2001:db8::1 2001:db8::9:1234:5678 40000 143\r\n", Strictness(max_size=52))


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\n",  # LF alone
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\rX",  # CR alone
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\r\r\n",
        b"PROXY UNKNOWN x\ny\r\n",
        b"PROXY UNKNOWN x\ry\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UNKNOWN\n",
        b"PROXY TCP5 192.0.2.1 198.51.100.9 40000 143\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.9 40000 143\r\n",
        b"PROXY  TCP4 192.0.2.1 198.51.100.9 40000 143\r\n",  # two spaces
        b"PROXY TCP4  192.0.2.1 198.51.100.9 40000 143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000  143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143 \r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143 7\r\n",  # a field too many
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000\r\n",  # one too few
        b"PROXY TCP4 \r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.9 40000 143\r\n",  # leading zeroes
        b"PROXY TCP4 192.0.2.1 198.51.100.9 040000 143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 00\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.9 40000 143\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.9 40000 143\r\n",
        b"PROXY TCP4 banana 198.51.100.9 40000 143\r\n",
        b"PROXY TCP4 ::1 ::1 40000 143\r\n",  # the other family
        b"PROXY TCP6 192.0.2.1 198.51.100.9 40000 143\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 40000 143\r\n",
        b"PROXY TCP6 ::1::2 ::1 40000 143\r\n",
        b"PROXY TCP6 1:2:3:4::5:6:7:8 ::1 40000 143\r\n",  # a gap for nothing
        b"PROXY TCP6 1:2:3:4:5:6:7 ::1 40000 143\r\n",
        b"PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 40000 143\r\n",
        b"PROXY TCP6 ::12345 ::1 40000 143\r\n",
        b"PROXY TCP6 :::1 ::1 40000 143\r\n",
        b"PROXY TCP6 :1:2:3:4:5:6:7 ::1 40000 143\r\n",
        b"PROXY TCP6 ::+1 ::1 40000 143\r\n",
        b"PROXY TCP6 ::1_0 ::1 40000 143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 65536 143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 99999 143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 -1 143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 +1 143\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.9 1_0 143\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.9 ²³ 143\r\n".encode("latin-1"),
        b"PROXY TCP4\t192.0.2.1 198.51.100.9 40000 143\r\n",
    ],
)
def test_malformed_line_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedHeader):
        decode(line)


groups = st.sampled_from(("", "", "0", "1", "00A1", "ffff", "12345", "g", "+1", "192.0.2.1"))
octets = st.sampled_from(("0", "1", "01", "99", "255", "256", "", "²"))


@given(st.lists(groups, max_size=9).map(":".join), ports)
@example("::", 0)
@example("1:2:3:4:5:6:7::", 0)
@example("::1:2:3:4:5:6:7", 0)
def test_ipv6_address_is_read_as_ipaddress_reads_it(text: str, port: int) -> None:
    assert address_in(f"PROXY TCP6 {text} ::1 {port} 1\r\n") == address_or_none(IPv6Address, text, port)


@given(st.lists(octets, min_size=3, max_size=5).map(".".join), ports)
def test_ipv4_address_is_read_as_ipaddress_reads_it(text: str, port: int) -> None:
    assert address_in(f"PROXY TCP4 {text} 192.0.2.1 {port} 1\r\n") == address_or_none(IPv4Address, text, port)


def address_in(line: str) -> Address | None:
    """The source that a line names, None if it is refused."""
    try:
        return decode(line.encode("latin-1")).source
    except ProxyProtocolError:
        return None


def address_or_none(kind: type[IPv4Address | IPv6Address], text: str, port: int) -> Address | None:
    try:
        return InetAddress(kind(text), port)
    except AddressValueError:
        return None


@pytest.mark.parametrize("line", [b"proxy TCP4", b"PROXY\t", b"PROXYX", b"POST /"])
def test_other_begin_is_not_a_header(line: bytes) -> None:
    with pytest.raises(NotProxyProtocol):
        Decoder().feed(line)


@pytest.mark.parametrize("begin", [b"PROXY TCX", b"PROXY UNKNOWNX", b"PROXY TCP4 1\n", b"PROXY TCP4 1\rX"])
def test_refused_at_the_byte_that_decides(begin: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(begin[:-1]) is None
    with pytest.raises(ProxyProtocolError):
        decoder.feed(begin[-1:])


def test_local_becomes_unknown() -> None:
    assert encode(Header(1, Command.LOCAL)).data == b"PROXY UNKNOWN\r\n"


@pytest.mark.parametrize(
    "header",
    [
        Header.proxy(*V4, tlvs=(Tlv(0xE1, b"x"),), version=1),
        Header.proxy(UnixAddress(b"/a"), UnixAddress(b"/b"), version=1),
        Header(1, Command.PROXY, Family.INET, Transport.DGRAM, *V4),
        Header(1, Command.PROXY, Family.INET, Transport.STREAM, *V6),
        Header(1, Command.PROXY, Family.INET6, Transport.STREAM, V6[0], V4[0]),
        Header(1, Command.PROXY, Family.INET, Transport.STREAM),
    ],
)
def test_what_version_1_cannot_say_is_our_error(header: Header) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(header)


def test_checksum_is_our_error() -> None:
    with pytest.raises(ValueError, match="checksum"):
        encode(Header.proxy(*V4, version=1), crc32c=True)


def test_line_over_the_budget_is_our_error() -> None:
    with pytest.raises(ValueError, match="45 bytes, 44 are allowed"):
        encode(Header.proxy(*V4, version=1), budget=44)
