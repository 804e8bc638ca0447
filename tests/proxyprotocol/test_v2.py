import pytest

from mailproxy.proxyprotocol import (
    Command,
    Decoder,
    Family,
    Header,
    HeaderTooLarge,
    InetAddress,
    MalformedHeader,
    NotProxyProtocol,
    SslClient,
    SslTlv,
    SslType,
    Strictness,
    Tlv,
    TlvType,
    Transport,
    UnixAddress,
    decode,
    encode,
)
from mailproxy.proxyprotocol.crc32c import crc32c
from tests.proxyprotocol.vectors import (
    ALL_OPTIONS,
    AWS_HEALTH_CHECK,
    CLIENT_CERTIFICATE,
    EC_CERTIFICATE,
    HAPROXY,
    IPV6,
    PLAIN,
    UNIX_CLIENT_OR_CHECK,
)

SIGNATURE = bytes.fromhex("0d0a0d0a 000d0a51 5549540a")
V4 = (InetAddress.parse("192.0.2.1:40000"), InetAddress.parse("198.51.100.9:143"))
V6 = (InetAddress.parse("[2001:db8::1]:40000"), InetAddress.parse("[2001:db8::9]:143"))


def v2(rest: str) -> bytes:
    """The signature, and what follows it in hex."""
    return SIGNATURE + bytes.fromhex(rest)


@pytest.mark.parametrize("vector", HAPROXY.values(), ids=HAPROXY.keys())
def test_haproxys_header_is_written_byte_for_byte(vector: bytes) -> None:
    assert encode(decode(vector)).data == vector


def test_addresses_and_ports_are_read() -> None:
    assert decode(PLAIN) == Header.proxy(InetAddress.parse("127.0.0.1:50320"), InetAddress.parse("127.0.0.1:21001"))


def test_ipv6_addresses_are_read() -> None:
    header = decode(IPV6)
    assert (header.family, str(header.source), str(header.destination)) == (Family.INET6, "[::1]:37280", "[::1]:21010")


def test_facts_of_tls_are_read() -> None:
    ssl = decode(CLIENT_CERTIFICATE).ssl
    assert ssl == SslTlv(
        SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS,
        0,
        (Tlv(SslType.VERSION, b"TLSv1.3"), Tlv(SslType.CN, b"alice@example.test")),
    )


def test_tlvs_are_read_in_order() -> None:
    header = decode(ALL_OPTIONS)
    assert [tlv.name for tlv in header.tlvs] == ["0xE1", "CRC32C", "ALPN", "AUTHORITY", "UNIQUE_ID", "SSL"]
    assert (header.alpn, header.authority, header.first(0xE1)) == (b"imap", "mail.example.test", b"foo")
    assert header.unique_id == b"7F000001:935A_7F000001:520F_6B00F696_0012:3C87"


def test_missing_tlvs_are_none() -> None:
    header = decode(PLAIN)
    assert (header.ssl, header.alpn, header.authority, header.unique_id, header.netns) == (None,) * 5


def test_repeated_tlvs_are_all_there() -> None:
    header = Header.local((Tlv(0xE1, b"a"), Tlv(0xE2, b"b"), Tlv(0xE1, b"c")))
    assert (header.all(0xE1), header.first(0xE1)) == ((b"a", b"c"), b"a")


def test_tlv_is_added_last() -> None:
    header = Header.proxy(*V4, (Tlv(0xE1, b"a"),))
    assert header.with_tlv(Tlv(0xE2, b"b")) == Header.proxy(*V4, (Tlv(0xE1, b"a"), Tlv(0xE2, b"b")))
    assert header.tlvs == (Tlv(0xE1, b"a"),)


def test_tlv_stands_for_all_of_its_type() -> None:
    header = Header.local((Tlv(0xE1, b"a"), Tlv(0xE2, b"b"), Tlv(0xE3, b"c"), Tlv(0xE2, b"d")))
    assert header.with_tlv(Tlv(0xE2, b"e")) == Header.local((Tlv(0xE1, b"a"), Tlv(0xE2, b"e"), Tlv(0xE3, b"c")))


def test_authority_that_is_not_utf8_is_none() -> None:
    assert Header.local((Tlv(TlvType.AUTHORITY, b"\xff"),)).authority is None


class TestFixedPart:
    @pytest.mark.parametrize("at", range(12))
    def test_wrong_signature_byte_is_refused_at_once(self, at: int) -> None:
        decoder = Decoder(Strictness(versions=(2,)))
        assert decoder.feed(SIGNATURE[:at]) is None
        with pytest.raises(NotProxyProtocol, match=f"byte {at} is 0x58"):
            decoder.feed(b"X")

    @pytest.mark.parametrize("version", [0, 1, 3, 15])
    def test_other_version_is_refused_at_its_byte(self, version: int) -> None:
        with pytest.raises(MalformedHeader, match=f"version {version} at byte 12"):
            Decoder().feed(SIGNATURE + bytes((version << 4 | 1,)))

    @pytest.mark.parametrize("command", range(2, 16))
    def test_undefined_command_is_refused_at_its_byte(self, command: int) -> None:
        with pytest.raises(MalformedHeader, match=f"command {command} at byte 12"):
            Decoder().feed(SIGNATURE + bytes((0x20 | command,)))

    def test_undefined_family_or_protocol_is_refused_at_its_byte(self) -> None:
        for kind in set(range(256)) - {0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32}:
            with pytest.raises(MalformedHeader, match=f"0x{kind:02x} at byte 13"):
                Decoder().feed(SIGNATURE + bytes((0x21, kind)))

    @pytest.mark.parametrize(
        ("kind", "size"), [(0x11, 12), (0x12, 12), (0x21, 36), (0x22, 36), (0x31, 216), (0x32, 216)]
    )
    def test_length_without_room_for_the_addresses_is_refused_at_once(self, kind: int, size: int) -> None:
        with pytest.raises(MalformedHeader, match=f"{size - 1} bytes follow, .* need {size}"):
            Decoder().feed(SIGNATURE + bytes((0x21, kind, 0, size - 1)))

    def test_header_over_the_limit_is_refused_at_once(self) -> None:
        with pytest.raises(HeaderTooLarge, match="the header has 4097 bytes, 4096 are accepted"):
            Decoder().feed(v2("21 11 0ff1"))

    def test_header_of_the_limit_is_accepted(self) -> None:
        data = v2("20 00 0ff0") + bytes(4080)
        assert decode(data, Strictness(max_size=4096)).command is Command.LOCAL

    def test_largest_header_of_the_format_is_read(self) -> None:
        data = v2("21 00 ffff 04 fffc") + bytes(65532)
        assert len(data) == 65551
        assert decode(data, Strictness(max_size=65551)).tlvs == (Tlv(TlvType.NOOP, bytes(65532)),)


class TestOtherFamilies:
    def test_unspec_has_no_addresses(self) -> None:
        header = decode(v2("21 00 0004 04 0001 00"))
        assert (header.stream_addresses, header.tlvs) == (None, (Tlv(TlvType.NOOP, b"\0"),))

    def test_datagram_addresses_are_read_but_not_a_streams(self) -> None:
        header = decode(v2("21 12 000c c0000201 c6336409 9c40 008f"))
        assert (header.source, header.destination, header.transport) == (*V4, Transport.DGRAM)
        assert header.stream_addresses is None

    def test_unix_paths_are_read(self) -> None:
        header = decode(v2("21 31 00d8") + b"/run/client".ljust(108, b"\0") + b"/run/server".ljust(108, b"\0"))
        assert header.stream_addresses == (UnixAddress(b"/run/client"), UnixAddress(b"/run/server"))

    def test_stream_addresses_are_both_addresses(self) -> None:
        assert Header.proxy(*V4).stream_addresses == V4


class TestLocalHeader:
    def test_header_without_addresses_and_tlvs_is_read(self) -> None:
        assert decode(v2("20 00 0000")) == Header.local()

    def test_header_with_tlvs_alone_is_read(self) -> None:
        assert decode(UNIX_CLIENT_OR_CHECK) == Header.local((SslTlv(SslClient(0), 0).tlv(),))

    @pytest.mark.parametrize(
        "rest",
        [
            "20 11 000c 7f000001 7f000001 0001 0002",  # addresses, as HAProxy 2.1 sent in checks
            "20 11 0001 00",  # too short for its family
            "20 77 0003 010203",  # a family that does not exist
            "20 00 0002 0102",  # no TLVs
        ],
    )
    def test_whatever_it_holds_is_skipped(self, rest: str) -> None:
        decoder = Decoder()
        assert decoder.feed(v2(rest) + b"* OK") == Header.local()
        assert decoder.unused == b"* OK"

    def test_tlvs_after_addresses_are_kept(self) -> None:
        header = decode(v2("20 11 0010 7f000001 7f000001 0001 0002 e1 0001 78"))
        assert header == Header.local((Tlv(0xE1, b"x"),))

    def test_tlvs_without_the_addresses_of_the_family_are_kept(self) -> None:
        header = decode(AWS_HEALTH_CHECK, Strictness(require_crc32c=True))
        assert header == Header.local((Tlv(TlvType.CRC32C, bytes.fromhex("bce5951f")), Tlv(TlvType.NOOP, bytes(74))))

    def test_wrong_checksum_without_addresses_is_refused(self) -> None:
        with pytest.raises(MalformedHeader, match="CRC32C"):
            decode(AWS_HEALTH_CHECK[:-1] + b"\1")

    @pytest.mark.parametrize(("kind", "size"), [(0x11, 12), (0x21, 36), (0x31, 216)])
    def test_zeroes_are_addresses_and_no_tlvs(self, kind: int, size: int) -> None:
        data = v2(f"20 {kind:02x} {size + 4:04x}") + bytes(size) + bytes.fromhex("e1 0001 78")
        assert decode(data) == Header.local((Tlv(0xE1, b"x"),))


class TestTlvs:
    def test_tlv_beyond_the_header_is_refused(self) -> None:
        with pytest.raises(MalformedHeader, match="TLV 0xEA says 10 bytes, 1 remain"):
            decode(v2("21 11 0010 7f000001 7f000001 c490 5209 ea 000a 01"))

    def test_byte_after_the_last_tlv_is_refused(self) -> None:
        with pytest.raises(MalformedHeader, match="1 stray bytes at byte 28"):
            decode(v2("21 11 000d 7f000001 7f000001 c490 5209 01"))

    def test_tlv_after_the_header_is_the_connections(self) -> None:
        decoder = Decoder()
        decoder.feed(PLAIN + bytes.fromhex("01 0004 696d6170"))
        assert decoder.unused == bytes.fromhex("01 0004 696d6170")

    def test_broken_ssl_tlv_is_refused(self) -> None:
        # what HAProxy's own recipe to relay an SSL TLV makes of one: cut at its first NUL
        with pytest.raises(MalformedHeader, match="the SSL TLV has 1 bytes"):
            decode(v2("21 11 0010 7f000001 7f000001 c490 5209 20 0001 07"))


class TestUniqueId:
    LONGEST = Tlv(TlvType.UNIQUE_ID, bytes(128))
    TOO_LONG = Tlv(TlvType.UNIQUE_ID, bytes(129))

    def test_longest_one_is_read_and_written(self) -> None:
        assert decode(encode(Header.proxy(*V4, (self.LONGEST,))).data).unique_id == bytes(128)

    def test_longer_one_is_refused(self) -> None:
        with pytest.raises(MalformedHeader, match="the UNIQUE_ID TLV has 129 bytes, at most 128 are allowed"):
            decode(v2("21 00 0084 05 0081") + bytes(129))

    def test_longer_one_is_refused_with_local_too(self) -> None:
        with pytest.raises(MalformedHeader, match="UNIQUE_ID"):
            decode(v2("20 00 0084 05 0081") + bytes(129))

    @pytest.mark.parametrize("budget", [None, 100])
    def test_longer_one_is_not_written(self, budget: int | None) -> None:
        with pytest.raises(ValueError, match="the UNIQUE_ID TLV has 129 bytes, at most 128 are allowed"):
            encode(Header.proxy(*V4, (self.TOO_LONG,)), budget=budget)


class TestChecksum:
    def test_wrong_one_is_refused(self) -> None:
        damaged = EC_CERTIFICATE[:-1] + b"5"
        with pytest.raises(MalformedHeader, match="the CRC32C TLV says 6240f158, the header's bytes give"):
            decode(damaged)

    def test_wrong_one_is_refused_with_local_too(self) -> None:
        with pytest.raises(MalformedHeader, match="CRC32C"):
            decode(v2("20 00 0007 03 0004 00000000"))

    def test_wrong_size_is_refused(self) -> None:
        with pytest.raises(MalformedHeader, match="has 3 bytes, not 4"):
            decode(v2("21 00 0006 03 0003 000000"))

    def test_two_are_refused(self) -> None:
        checksum = crc32c(v2("20 00 000e 03 0004 00000000 03 0004 00000000"))
        with pytest.raises(MalformedHeader, match="a second CRC32C TLV at byte 23"):
            decode(v2(f"20 00 000e 03 0004 {checksum:08x} 03 0004 00000000"))


@pytest.mark.parametrize(
    "header",
    [
        Header(version=3),
        Header(2, Command.LOCAL, Family.INET, Transport.STREAM, *V4),
        Header(2, Command.PROXY, Family.INET, Transport.UNSPEC, *V4),
        Header(2, Command.PROXY, Family.UNSPEC, Transport.STREAM),
        Header(2, Command.PROXY, Family.UNSPEC, Transport.UNSPEC, *V4),
        Header(2, Command.PROXY, Family.INET, Transport.STREAM),
        Header(2, Command.PROXY, Family.INET, Transport.STREAM, *V6),
        Header(2, Command.PROXY, Family.INET6, Transport.STREAM, *V4),
        Header(2, Command.PROXY, Family.INET, Transport.STREAM, V4[0], V6[0]),
        Header(2, Command.PROXY, Family.UNIX, Transport.STREAM, *V4),
        Header.local((Tlv(TlvType.CRC32C, bytes(4)), Tlv(TlvType.CRC32C, bytes(4)))),
    ],
)
def test_what_the_format_does_not_have_is_our_error(header: Header) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(header)


def test_mixed_families_go_as_ipv6() -> None:
    header = Header.proxy(V4[0], V6[1])
    assert (header.family, header.source, header.destination) == (Family.INET6, V4[0].mapped, V6[1])


def test_internet_and_unix_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="different kinds"):
        Header.proxy(V4[0], UnixAddress(b"/run/mail"))
