"""The server name of clients that offer no TLS 1.3."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.tls.hello import NotWhole, lacks, name_without_13
from tests.transport.peers import client_context


def hello(version: ssl.TLSVersion, name: str | None) -> bytes:
    """Return what a client says first."""
    outgoing = ssl.MemoryBIO()
    connection = client_context(version).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    ("name", "reported"), [("mail.example.org", b"mail.example.org"), ("A.b.C", b"a.b.c"), (None, b"")]
)
def test_name_is_reported_in_lower_case(name: str | None, reported: bytes) -> None:
    assert name_without_13(hello(ssl.TLSVersion.TLSv1_2, name)) == reported


def test_client_with_tls_1_3_is_none_of_this() -> None:
    assert name_without_13(hello(ssl.TLSVersion.TLSv1_3, "mail.example.org")) is None


@pytest.mark.parametrize("size", [0, 1, 5, 6, 60, -1])
def test_piece_is_not_whole(size: int) -> None:
    with pytest.raises(NotWhole):
        name_without_13(hello(ssl.TLSVersion.TLSv1_2, "mail.example.org")[:size])


def test_hello_in_two_records_is_not_whole() -> None:
    message = hello(ssl.TLSVersion.TLSv1_2, "mail.example.org")[5:]
    records = b"".join(b"\x16\3\1" + len(piece).to_bytes(2) + piece for piece in (message[:9], message[9:]))
    assert not lacks(records)
    with pytest.raises(NotWhole):
        name_without_13(records)


def test_what_follows_does_not_matter() -> None:
    whole = hello(ssl.TLSVersion.TLSv1_2, "mail.example.org")
    assert name_without_13(whole + b"\x16\3\1") == b"mail.example.org"


def test_every_piece_lacks_bytes_until_it_is_whole() -> None:
    whole = hello(ssl.TLSVersion.TLSv1_2, "mail.example.org")
    assert all(lacks(whole[:size]) for size in range(len(whole)))
    assert not lacks(whole)


@pytest.mark.parametrize("data", [b"GET /", b"\x17", b"\x16\2", b"\x16\3\1\x40\1", b"\x16\3\1\0\0"])
def test_what_is_no_clienthello_lacks_nothing(data: bytes) -> None:
    """OpenSSL refuses it at once."""
    assert not lacks(data)


@given(st.binary(max_size=300))
def test_any_bytes_will_do(data: bytes) -> None:
    for start in (b"", b"\x16\3\1" + (len(data) + 4).to_bytes(2) + b"\1" + len(data).to_bytes(3)):
        whole = start + data
        lacks(whole)
        try:
            name = name_without_13(whole)
        except NotWhole:
            continue
        assert name is None or name in whole.lower()
