from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.proxyprotocol import MalformedHeader, SslClient, SslTlv, SslType, Tlv, TlvType

field_like = st.builds(
    lambda type, size, value: bytes((type, 0, size)) + value,
    st.integers(0, 255),
    st.integers(0, 9),
    st.binary(max_size=9),
)

EVERYTHING = SslTlv(
    SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS,
    0,
    (
        Tlv(SslType.VERSION, b"TLSv1.3"),
        Tlv(SslType.CN, "Zoë".encode()),
        Tlv(SslType.KEY_ALG, b"EC256"),
        Tlv(SslType.SIG_ALG, b"ecdsa-with-SHA256"),
        Tlv(SslType.CIPHER, b"TLS_AES_256_GCM_SHA384"),
        Tlv(SslType.GROUP, b"x25519"),
        Tlv(SslType.SIG_SCHEME, b"ecdsa_secp256r1_sha256"),
        Tlv(SslType.CLIENT_CERT, b"\x30\x00"),
    ),
)


def test_value_is_written_byte_for_byte() -> None:
    value = SslTlv(SslClient.SSL, 18, (Tlv(SslType.VERSION, b"TLSv1.2"),))
    assert value.tlv() == Tlv(
        TlvType.SSL,
        bytes.fromhex(
            "01"  # client: TLS
            "00000012"  # verify 18, big-endian
            "21 0007 544c5376312e32"  # VERSION
        ),
    )


def test_every_field_is_read() -> None:
    value = SslTlv.parse(EVERYTHING.tlv().value)
    assert (value.version, value.common_name, value.key_alg, value.sig_alg) == (
        "TLSv1.3",
        "Zoë",
        "EC256",
        "ecdsa-with-SHA256",
    )
    assert (value.cipher, value.group, value.sig_scheme, value.client_cert) == (
        "TLS_AES_256_GCM_SHA384",
        "x25519",
        "ecdsa_secp256r1_sha256",
        b"\x30\x00",
    )


def test_missing_fields_are_none() -> None:
    value = SslTlv(SslClient(0), 1)
    assert (value.version, value.common_name, value.client_cert) == (None, None, None)


def test_name_that_is_not_utf8_is_none() -> None:
    assert SslTlv(SslClient.SSL, 0, (Tlv(SslType.CN, b"ro\xffot"),)).common_name is None


@pytest.mark.parametrize(
    ("client", "verify", "expected"), [(1, 0, False), (7, 0, True), (5, 0, True), (7, 18, False), (1, 1, False)]
)
def test_certificate_counts_only_if_presented_and_verified(client: int, verify: int, expected: bool) -> None:
    assert SslTlv(SslClient(client), verify).has_verified_certificate is expected


@pytest.mark.parametrize("size", range(5))
def test_too_short_value_is_refused(size: int) -> None:
    with pytest.raises(MalformedHeader, match=f"has {size} bytes"):
        SslTlv.parse(bytes(size))


def test_field_beyond_the_end_is_refused() -> None:
    with pytest.raises(MalformedHeader, match="TLV 0x21 says 7 bytes, 6 remain in the SSL TLV"):
        SslTlv.parse(bytes.fromhex("01 00000000 21 0007 544c5376312e"))


@pytest.mark.parametrize("value", [SslTlv(SslClient.SSL, -1), SslTlv(SslClient.SSL, 2**32), SslTlv(SslClient(256), 0)])
def test_numbers_out_of_range_are_refused(value: SslTlv) -> None:
    with pytest.raises(ValueError, match="one byte"):
        value.tlv()


@given(st.binary(max_size=4) | st.builds(bytes.__add__, st.just(bytes(5)), st.lists(field_like).map(b"".join)))
def test_check_and_parse_refuse_the_same(value: bytes) -> None:
    assert outcome(SslTlv.check, value) == outcome(SslTlv.parse, value)


def outcome(read: Callable[[bytes], object], value: bytes) -> str:
    """What is wrong with a value, in words."""
    try:
        read(value)
    except MalformedHeader as error:
        return str(error)
    return ""
