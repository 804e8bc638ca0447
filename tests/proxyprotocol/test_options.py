"""The words for what a sender adds."""

from typing import get_args

from mailproxy.proxyprotocol import SslType, TlvType
from mailproxy.proxyprotocol.options import OPTIONS, SSL_OPTIONS, Option


def test_every_word_adds_a_tlv_of_its_own() -> None:
    assert tuple(OPTIONS) == get_args(Option)
    assert len(set(OPTIONS.values())) == len(OPTIONS)


def test_fields_of_the_ssl_tlv_bring_it_along() -> None:
    assert {OPTIONS[word] for word in SSL_OPTIONS} <= set(SslType)
    assert {OPTIONS[word] for word in OPTIONS.keys() - SSL_OPTIONS} <= set(TlvType)
