"""The words of the log for a TLV that is left out."""

from __future__ import annotations

from mailproxy.announce.left_out import LeftOut
from mailproxy.proxyprotocol import SslType, Tlv


def test_words_are_the_name_and_the_reason() -> None:
    assert str(LeftOut("SSL_CN", "it is not UTF-8")) == "SSL_CN: it is not UTF-8"


def test_words_have_the_size_if_it_is_the_reason() -> None:
    left_out = LeftOut("0xE1", "its format may make at most 481", 482)
    assert str(left_out) == "0xE1 (482 bytes): its format may make at most 481"
    assert not left_out.has_no_room


def test_words_of_one_without_room_name_the_limit() -> None:
    left_out = LeftOut.without_room(Tlv(SslType.CN, bytes(300)), 232)
    assert str(left_out) == "SSL_CN (303 bytes): header limit 232"
    assert left_out.has_no_room
