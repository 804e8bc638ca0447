from typing import Any

import pytest

from mailproxy.proxyprotocol import MalformedHeader, SslType, Tlv, TlvType
from mailproxy.proxyprotocol.tlv import pack_tlvs, parse_tlvs


def test_repeats_and_unknown_types_stay_in_order() -> None:
    tlvs = (Tlv(0xE3, b"b"), Tlv(0xE1, b""), Tlv(0xE3, b"a"))
    assert parse_tlvs(pack_tlvs(tlvs)) == tlvs


def test_value_beyond_the_end_is_refused() -> None:
    # ALPN says 5 bytes, 4 follow
    with pytest.raises(MalformedHeader, match="TLV 0x01 says 5 bytes, 4 remain in the header"):
        parse_tlvs(bytes.fromhex("01 0005 696d6170"))


def test_stray_byte_after_the_last_is_refused() -> None:
    with pytest.raises(MalformedHeader, match="1 stray bytes at byte 3"):
        parse_tlvs(bytes.fromhex("04 0000 04"))


@pytest.mark.parametrize(
    ("type", "value", "message"),
    [
        (256, b"", "type 256 of a TLV is not a number from 0 to 255"),
        (-1, b"", "type -1"),
        ("alpn", b"", "type 'alpn'"),
        (0xE1, "blue", "the value of TLV 0xE1 is 'blue', not bytes"),
        (0xE1, bytearray(b"blue"), "not bytes"),
    ],
)
def test_what_is_no_tlv_is_refused(type: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tlv(type, value)


def test_value_too_large_to_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 65535 bytes"):
        pack_tlvs((Tlv(1, bytes(65536)),))


@pytest.mark.parametrize(
    ("type", "name"),
    [(TlvType.ALPN, "ALPN"), (SslType.CN, "SSL_CN"), (0xEE, "AZURE"), (0xE3, "0xE3"), (0x0A, "0x0A")],
)
def test_known_types_have_names_and_others_their_number(type: int, name: str) -> None:
    assert Tlv(type, b"").name == name
