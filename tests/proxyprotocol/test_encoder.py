from itertools import pairwise

import pytest

from mailproxy.proxyprotocol import Header, InetAddress, SslClient, SslTlv, SslType, Tlv, TlvType, decode, encode

V4 = (InetAddress.parse("192.0.2.1:40000"), InetAddress.parse("198.51.100.9:143"))
SSL = SslTlv(
    SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS,
    0,
    (
        Tlv(SslType.VERSION, b"TLSv1.3"),
        Tlv(SslType.CN, b"alice"),
        Tlv(SslType.KEY_ALG, b"EC256"),
        Tlv(SslType.CIPHER, b"TLS_AES_256_GCM_SHA384"),
        Tlv(SslType.CLIENT_CERT, bytes(900)),
    ),
)
EVERYTHING = Header.proxy(
    *V4,
    tlvs=(
        Tlv(0xE1, b"first"),
        Tlv(0xE2, b"second"),
        Tlv(TlvType.CRC32C, bytes(4)),
        Tlv(TlvType.ALPN, b"imap"),
        Tlv(TlvType.AUTHORITY, b"mail.example"),
        Tlv(TlvType.UNIQUE_ID, b"id"),
        SSL.tlv(),
        Tlv(TlvType.NETNS, b"blue"),
        Tlv(TlvType.NOOP, b""),
    ),
)
MOST_WANTED_LAST = [
    "NOOP", "SSL_CLIENT_CERT", "SSL_KEY_ALG", "NETNS", "0xE2", "0xE1",
    "UNIQUE_ID", "ALPN", "SSL_CIPHER", "AUTHORITY", "SSL_CN",
]  # fmt: skip


def names(tlvs: tuple[Tlv, ...]) -> list[str]:
    return [tlv.name for tlv in tlvs]


def test_everything_fits_without_a_budget() -> None:
    assert encode(EVERYTHING).left_out == ()


def test_mandatory_part_is_what_the_smallest_budget_leaves() -> None:
    # 28 up to the addresses, 7 checksum, 3 + 5 + 10 SSL with VERSION
    encoded = encode(EVERYTHING, budget=53)
    header = decode(encoded.data)
    assert names(header.tlvs) == ["CRC32C", "SSL"]
    assert header.ssl == SslTlv(SSL.client, 0, SSL.tlvs[:1])


def test_mandatory_part_over_the_budget_is_our_error() -> None:
    with pytest.raises(ValueError, match="need 25 bytes, 24 are left"):
        encode(EVERYTHING, budget=52)


def test_addresses_over_the_budget_are_our_error() -> None:
    with pytest.raises(ValueError, match="INET headers have at least 28 bytes, 20 are allowed"):
        encode(EVERYTHING, budget=20)


def test_left_out_are_reported_in_the_headers_order() -> None:
    assert names(encode(EVERYTHING, budget=53).left_out) == [
        "0xE1", "0xE2", "ALPN", "AUTHORITY", "UNIQUE_ID",
        "SSL_CN", "SSL_KEY_ALG", "SSL_CIPHER", "SSL_CLIENT_CERT", "NETNS", "NOOP",
    ]  # fmt: skip


def test_tlvs_of_one_size_are_left_out_in_the_documented_order() -> None:
    same = (Tlv(type, b"sized") for type in (0xE1, 0xE2, 0x01, 0x02, 0x05, 0x30, 0x04))
    fields = tuple(Tlv(type, b"sized") for type in (0x22, 0x25, 0x23, 0x28))
    header = Header.proxy(*V4, tlvs=(*same, SslTlv(SslClient.SSL, 1, fields).tlv()))
    full = len(encode(header).data)
    gone = [set(names(encode(header, budget=full - 8 * count).left_out)) for count in range(12)]
    assert [name for less, more in pairwise(gone) for name in more - less] == MOST_WANTED_LAST


def test_one_tlv_that_is_too_large_costs_no_other() -> None:
    assert names(encode(EVERYTHING, budget=536).left_out) == ["SSL_CLIENT_CERT"]


def test_values_are_never_truncated() -> None:
    for budget in range(53, 1200, 7):
        header = decode(encode(EVERYTHING, budget=budget).data)
        originals = {*EVERYTHING.tlvs, *SSL.tlvs}
        kept = {tlv for tlv in header.tlvs if tlv.type not in (TlvType.CRC32C, TlvType.SSL)}
        assert header.ssl is not None
        assert {*kept, *header.ssl.tlvs} <= originals


def test_more_than_the_format_allows_is_left_out_too() -> None:
    encoded = encode(Header.local((Tlv(0xE1, bytes(40000)), Tlv(0xE2, bytes(40000)))))
    assert names(encoded.left_out) == ["0xE2"]


def test_checksum_on_request_comes_first() -> None:
    header = decode(encode(Header.local((Tlv(0xE1, b"x"),)), crc32c=True).data)
    assert names(header.tlvs) == ["CRC32C", "0xE1"]


def test_checksum_keeps_the_place_it_has() -> None:
    header = decode(encode(EVERYTHING, crc32c=True).data)
    assert names(header.tlvs)[2] == "CRC32C"


def test_stale_checksum_is_made_again() -> None:
    stale = Header.local((Tlv(TlvType.CRC32C, b"old!"), Tlv(0xE1, b"x")))
    assert decode(encode(stale).data).first(TlvType.CRC32C) != b"old!"
