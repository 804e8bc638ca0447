"""The server name of clients that offer no TLS 1.3."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.tls.hello import name_without_13
from tests.transport.peers import client_context


def hello(version: ssl.TLSVersion, name: str | None) -> bytes:
    """Return what a client says first."""
    outgoing = ssl.MemoryBIO()
    connection = client_context(version).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    ("name", "told"), [("mail.example.org", b"mail.example.org"), ("A.b.C", b"a.b.c"), (None, b"")]
)
def test_name_is_told_in_lower_case(name: str | None, told: bytes) -> None:
    assert name_without_13(hello(ssl.TLSVersion.TLSv1_2, name)) == told


def test_client_with_tls_1_3_is_none_of_this() -> None:
    assert name_without_13(hello(ssl.TLSVersion.TLSv1_3, "mail.example.org")) is None


@pytest.mark.parametrize("size", [0, 1, 5, 6, 60, -1])
def test_piece_is_none_of_this(size: int) -> None:
    assert name_without_13(hello(ssl.TLSVersion.TLSv1_2, "mail.example.org")[:size]) is None


@given(st.binary(max_size=300))
def test_any_bytes_will_do(data: bytes) -> None:
    name_without_13(data)
    whole = b"\x16\3\1" + (len(data) + 1).to_bytes(2) + b"\1" + data
    name = name_without_13(whole)
    assert name is None or name in whole.lower()
