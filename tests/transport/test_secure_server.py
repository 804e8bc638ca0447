"""The server's side of a handshake, and of its end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from OpenSSL import SSL

from mailproxy.tls.failed_handshake import HandshakeError
from mailproxy.tls.openssl import WANT_READ, WANT_WRITE
from mailproxy.tls.server import TlsServer
from mailproxy.transport.poller import READ, Poller
from mailproxy.transport.secure_server import SecureServerStream
from mailproxy.transport.stream import RENEGOTIATION, Stream
from tests.tls.servers import NAME, tls_server
from tests.transport.peers import Peer, TlsPeer, client_context
from tests.transport.relay import raw, tcp_pair, unix_pair


class Nobody:
    """An owner that expects no calls."""

    def stream_ended(self, stream: Stream) -> None:
        pytest.fail("it ended")

    def stream_failed(self, stream: Stream, reason: str) -> None:
        pytest.fail(reason)

    def relay_over(self) -> None:
        pytest.fail("it is over")

    def broke(self) -> None:
        pytest.fail("it broke")


class Begun:
    """A stream before its handshake, and the client's socket."""

    def __init__(self, server: TlsServer) -> None:
        ours, self.theirs = tcp_pair()
        self.poller = Poller()
        self.server = server
        self.stream = SecureServerStream(raw(ours), self.poller, Nobody(), server)


@pytest.fixture
def begun() -> Iterator[Begun]:
    made = Begun(tls_server())
    yield made
    made.stream.close()
    made.theirs.close()
    made.poller.close()


def test_handshake_waits_for_the_client(begun: Begun) -> None:
    assert begun.stream.handshake() == WANT_READ


def test_handshake_continues_byte_by_byte(begun: Begun) -> None:
    client = TlsPeer(begun.theirs, client_context(), NAME)
    hello = begun.stream.socket.recv(65536, socket.MSG_PEEK)
    begun.stream.socket.recv(len(hello))
    steps = 0
    for byte in hello:
        client.socket.send(bytes([byte]))
        begun.stream.handshake()
        steps += 1
    while not client.secured:
        client.pull()
    client.pull()
    assert begun.stream.handshake() == 0
    assert steps == len(hello)


def test_failed_handshake_leaves_a_stream_that_can_still_be_closed_in_good_order(begun: Begun) -> None:
    client = Peer(begun.theirs)
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(HandshakeError):
        begun.stream.handshake()
    begun.stream.events = READ
    below = begun.stream.without_tls()
    below.poller.add(below.fd, below.on_last_event, READ)
    below.linger()
    while not client.fin:
        client.pull()
    assert not client.reset
    below.close()
    begun.stream.poller.remove(begun.stream.fd)


def test_flight_that_does_not_fit_waits_for_room() -> None:
    """The certificate is larger than the client's receive window."""
    ours, theirs = unix_pair(1)
    poller = Poller()
    server = tls_server()
    stream = SecureServerStream(raw(ours), poller, Nobody(), server)
    client = TlsPeer(theirs, client_context(), NAME)
    filling = 0
    with suppress(BlockingIOError):
        while True:
            filling += stream.socket.send(b"x")
    for _ in range(2):
        assert stream.handshake() == WANT_WRITE
    assert len(client.socket.recv(filling)) == filling
    for _ in range(100):
        waits = stream.handshake()
        client.pull()
        if not waits:
            break
    assert client.secured
    stream.close()
    theirs.close()
    poller.close()


def test_client_cannot_renegotiate() -> None:
    """It costs us more than the client, which could do it for ever."""
    server = tls_server(max_version="1.2")
    ours, theirs = unix_pair()
    relay_poller = Poller()
    stream = SecureServerStream(raw(ours), relay_poller, Nobody(), server)
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_connect_state()
    theirs.setblocking(False)

    def exchange() -> None:
        for _ in range(4):
            with suppress(SSL.WantReadError):
                client.do_handshake()
            with suppress(SSL.WantReadError):
                theirs.send(client.bio_read(65536))
            stream.handshake()
            with suppress(BlockingIOError):
                client.bio_write(theirs.recv(65536))

    exchange()
    assert stream.handshake() == 0
    client.renegotiate()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    theirs.send(client.bio_read(65536))
    with pytest.raises(ConnectionError, match=RENEGOTIATION):
        stream.read_some()
    stream.close()
    theirs.close()
    relay_poller.close()
