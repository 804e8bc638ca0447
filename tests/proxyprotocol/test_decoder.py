import pytest

from mailproxy.proxyprotocol import (
    Decoder,
    Header,
    HeaderRefused,
    NotProxyProtocol,
    Strictness,
    TruncatedHeader,
    UnixAddress,
    decode,
    encode,
)
from tests.proxyprotocol.vectors import ALL_OPTIONS, PLAIN

LINE = b"PROXY TCP4 192.0.2.1 198.51.100.9 40000 143\r\n"


@pytest.mark.parametrize("data", [PLAIN, ALL_OPTIONS, LINE, b"PROXY UNKNOWN\r\n"])
def test_header_may_come_byte_by_byte(data: bytes) -> None:
    decoder = Decoder()
    assert all(decoder.feed(data[at : at + 1]) is None for at in range(len(data) - 1))
    assert decoder.feed(data[-1:]) == decode(data)


def test_bytes_after_the_header_are_left() -> None:
    decoder = Decoder()
    decoder.feed(PLAIN[:20])
    decoder.feed(PLAIN[20:] + b"a LOGIN")
    assert (decoder.unused, decoder.received) == (b"a LOGIN", len(PLAIN) + 7)


def test_bytes_that_are_no_header_are_all_left() -> None:
    decoder = Decoder()
    decoder.feed(b"\r\n\r\n")
    with pytest.raises(NotProxyProtocol):
        decoder.feed(b"EHLO")
    assert decoder.unused == b"\r\n\r\nEHLO"


def test_nothing_may_be_fed_after_the_header() -> None:
    decoder = Decoder()
    decoder.feed(PLAIN)
    with pytest.raises(ValueError, match="complete"):
        decoder.feed(b"x")


def test_nothing_fed_is_nothing_learnt() -> None:
    assert Decoder().feed(b"") is None


@pytest.mark.parametrize("sizes", [(15, 1, 12)])
def test_wanted_asks_for_a_binary_header_in_three_steps(sizes: tuple[int, ...]) -> None:
    decoder = Decoder()
    asked = []
    while decoder.wanted:
        asked.append(decoder.wanted)
        decoder.feed(PLAIN[decoder.received :][: decoder.wanted])
    assert tuple(asked) == sizes


def test_wanted_is_16_where_version_1_is_refused() -> None:
    assert Decoder(Strictness(versions=(2,))).wanted == 16


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "before a header began"),
        (PLAIN[:13], "after 13 bytes of a header that has at least 16"),
        (PLAIN[:20], "after 20 bytes of a header that has 28"),
        (LINE[:-2], "after 43 bytes of a header that has at least 45"),
    ],
)
def test_end_before_the_header_is_complete_is_refused(data: bytes, message: str) -> None:
    decoder = Decoder()
    decoder.feed(data)
    with pytest.raises(TruncatedHeader, match=message):
        decoder.end()


def test_end_after_the_header_is_fine() -> None:
    decoder = Decoder()
    decoder.feed(PLAIN)
    decoder.end()


def test_tls_in_place_of_a_header_is_recognized() -> None:
    with pytest.raises(NotProxyProtocol, match="begins with it; TLS does: the peer sends no PROXY header"):
        decode(b"\x16\x03\x01\x02\x00")


class TestStrictness:
    def test_version_1_can_be_refused(self) -> None:
        with pytest.raises(NotProxyProtocol, match="byte 0 is 0x50, no header of version 2 begins with it"):
            decode(LINE, Strictness(versions=(2,)))

    def test_version_2_can_be_refused(self) -> None:
        with pytest.raises(NotProxyProtocol):
            decode(PLAIN, Strictness(versions=(1,)))

    def test_checksum_can_be_required(self) -> None:
        with pytest.raises(HeaderRefused, match="version 2 header without CRC32C"):
            decode(PLAIN, Strictness(require_crc32c=True))

    def test_version_1_has_no_checksum(self) -> None:
        with pytest.raises(HeaderRefused, match="version 1 header without CRC32C"):
            decode(LINE, Strictness(require_crc32c=True))

    def test_local_can_be_refused_at_its_byte(self) -> None:
        with pytest.raises(HeaderRefused, match="LOCAL"):
            Decoder(Strictness(accept_local=False)).feed(encode(Header.local()).data[:13])

    @pytest.mark.parametrize("kind", [0x00, 0x12, 0x22, 0x31, 0x32])
    def test_what_has_no_internet_addresses_of_a_stream_can_be_refused_at_its_byte(self, kind: int) -> None:
        with pytest.raises(HeaderRefused, match="PROXY without internet addresses of a stream"):
            Decoder(Strictness(accept_unspec=False)).feed(PLAIN[:13] + bytes([kind]))

    @pytest.mark.parametrize(("kind", "size"), [(0x12, 12), (0x22, 36), (0x32, 216)])
    def test_datagrams_can_be_refused_when_they_come_whole(self, kind: int, size: int) -> None:
        data = PLAIN[:13] + bytes([kind]) + size.to_bytes(2) + bytes(size)
        assert decode(data).stream_addresses is None
        with pytest.raises(HeaderRefused, match="DGRAM"):
            decode(data, Strictness(accept_unspec=False))

    def test_unix_addresses_can_be_refused_when_they_come_whole(self) -> None:
        data = encode(Header.proxy(UnixAddress(b"/run/client"), UnixAddress(b""))).data
        assert isinstance(decode(data).source, UnixAddress)
        with pytest.raises(HeaderRefused, match="UNIX STREAM"):
            decode(data, Strictness(accept_unspec=False))

    @pytest.mark.parametrize(("kind", "size"), [(0x11, 12), (0x21, 36)])
    def test_internet_streams_are_accepted_then(self, kind: int, size: int) -> None:
        data = PLAIN[:13] + bytes([kind]) + size.to_bytes(2) + bytes(size)
        assert decode(data, Strictness(accept_unspec=False)).stream_addresses is not None

    def test_unknown_can_be_refused(self) -> None:
        with pytest.raises(HeaderRefused, match="UNKNOWN"):
            decode(b"PROXY UNKNOWN\r\n", Strictness(accept_unspec=False))
