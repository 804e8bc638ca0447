"""The limits of a handshake: others get their turn, and one that does not end is refused."""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Iterator

import pytest

from mailproxy.tls.failed_handshake import HandshakeError
from mailproxy.tls.openssl import WANT_READ
from mailproxy.transport.poller import Poller
from mailproxy.transport.secure_client import SecureClientStream
from mailproxy.transport.secure_handshake import HANDSHAKE_READ_BYTES
from mailproxy.transport.secure_server import SecureServerStream
from mailproxy.transport.stream import NOBODY
from tests.tls.records import HANDSHAKE, HELLO_REQUEST
from tests.tls.servers import NAME, client_tls, tls_server
from tests.transport.peers import client_context, client_hello
from tests.transport.relay import raw, tcp_pair, waiting_in


@pytest.fixture
def hello() -> Iterator[tuple[SecureServerStream, socket.socket]]:
    """A stream before its handshake, and the client's socket."""
    ours, theirs = tcp_pair()
    poller = Poller()
    server = tls_server()
    stream = SecureServerStream(raw(ours), poller, NOBODY, server)
    yield stream, theirs
    stream.close()
    theirs.close()
    poller.close()


def hello_in_pieces(empty: int) -> Iterator[bytes]:
    """Yield the longest ClientHello that OpenSSL accepts, in one-byte records, each after `empty` empty ones."""
    size = 131_000
    for byte in b"\1" + size.to_bytes(3) + b"\3\3" + bytes(size - 2):
        yield bytes([HANDSHAKE, 3, 1, 0, 0]) * empty + bytes([HANDSHAKE, 3, 1, 0, 1, byte])


@pytest.mark.parametrize("empty", [0, 31])
def test_each_turn_of_a_handshake_is_bounded(hello: tuple[SecureServerStream, socket.socket], empty: int) -> None:
    """For records of any size: on the socket itself, one call would read as long as the client sends."""
    stream, theirs = hello
    data = b"".join(itertools.islice(hello_in_pieces(empty), 20_000))[: 3 * HANDSHAKE_READ_BYTES]
    theirs.sendall(data)
    while waiting_in(stream) < len(data):
        pass
    for turns in (1, 2):
        assert stream.handshake() == WANT_READ
        assert waiting_in(stream) == len(data) - turns * HANDSHAKE_READ_BYTES


def with_early_data(hello: bytes) -> bytes:
    """Add to a ClientHello that early data follows (RFC 8446 section 4.2.10)."""
    at = 43
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        at += size + int.from_bytes(hello[at : at + size])
    extensions = b"\0\x2a\0\0" + hello[at + 2 :]
    body = hello[9:at] + len(extensions).to_bytes(2) + extensions
    return hello[:3] + (4 + len(body)).to_bytes(2) + b"\1" + len(body).to_bytes(3) + body


@pytest.mark.parametrize(
    ("record", "reason"),
    [(b"\x17\3\3\0\0", "not done after 256 KiB"), (b"\x17\3\3\0\1x", "too much early data")],
    ids=["empty", "a byte each"],
)
def test_early_data_is_not_skipped_for_ever(
    hello: tuple[SecureServerStream, socket.socket], record: bytes, reason: str
) -> None:
    stream, theirs = hello
    theirs.sendall(with_early_data(client_hello(client_context(ssl.TLSVersion.TLSv1_3), NAME)))
    theirs.setblocking(False)

    def shake_hands() -> None:
        for _ in range(100):
            theirs.send(record * 2000)
            assert stream.handshake() == WANT_READ

    with pytest.raises(HandshakeError, match=reason):
        shake_hands()


def test_server_that_asks_for_handshakes_before_ours_is_done_is_refused() -> None:
    ours, theirs = tcp_pair()
    poller = Poller()
    stream = SecureClientStream(raw(ours), poller, NOBODY, client_tls(), "", "")
    theirs.setblocking(False)

    def shake_hands() -> None:
        for _ in range(100):
            theirs.send((bytes([HANDSHAKE, 3, 3, 0, 4]) + HELLO_REQUEST) * 1000)
            assert stream.handshake() == WANT_READ

    with pytest.raises(ConnectionError, match="not done after 256 KiB"):
        shake_hands()
    stream.close()
    theirs.close()
    poller.close()


def test_handshake_without_end_is_refused(hello: tuple[SecureServerStream, socket.socket]) -> None:
    stream, theirs = hello
    theirs.setblocking(False)
    pieces = hello_in_pieces(31)

    def shake_hands() -> None:
        for piece in pieces:
            theirs.send(piece)
            assert stream.handshake() == WANT_READ

    with pytest.raises(HandshakeError, match="not done after 256 KiB"):
        shake_hands()
