from __future__ import annotations

from typing import Any

import pytest

from mailproxy.proxyprotocol import Decoder, Header, InetAddress, SslClient, SslTlv, Tlv

SOURCE, DESTINATION = InetAddress.parse("192.0.2.1:50000"), InetAddress.parse("198.51.100.9:143")
BLUE = Tlv(0xE1, b"blue")


@pytest.mark.parametrize(
    "header",
    [
        Header.proxy(SOURCE, DESTINATION, [BLUE]),  # type: ignore[arg-type]
        Header.local([BLUE]),  # type: ignore[arg-type]
        Header(tlvs=[BLUE]),
        SslTlv(SslClient.SSL, 1, [BLUE]),
    ],
)
def test_tlvs_are_a_tuple_and_their_header_is_hashable(header: Header | SslTlv) -> None:
    assert header.tlvs == (BLUE,)
    assert hash(header) == hash(header)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tlvs": (SslTlv(SslClient.SSL, 1),)}, r"among the tlvs is an SslTlv; its tlv\(\) is a Tlv"),
        ({"tlvs": (b"blue",)}, "among the tlvs is b'blue', which is not a Tlv"),
        ({"tlvs": BLUE}, "tlvs .* is not a tuple"),
        ({"source": "192.0.2.1:50000"}, "source '192.0.2.1:50000' is not an address; InetAddress.parse"),
        ({"destination": None}, "destination None is not an address"),
        ({"version": 3}, "there is no version 3"),
    ],
)
def test_header_of_wrong_parts_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Header.proxy(**{"source": SOURCE, "destination": DESTINATION, **wrong})


def test_local_and_with_tlv_take_tlvs_alone() -> None:
    with pytest.raises(ValueError, match="is an SslTlv"):
        Header.local((SslTlv(SslClient.SSL, 1),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is not a Tlv"):
        Header.local().with_tlv(b"blue")  # type: ignore[arg-type]


def test_decoder_takes_a_strictness() -> None:
    with pytest.raises(ValueError, match="strictness 'x' is not a Strictness"):
        Decoder("x")  # type: ignore[arg-type]
