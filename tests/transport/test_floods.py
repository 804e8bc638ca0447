"""Peers that send TLS records without payload: others get their turn, and what does not stop is cut off."""

from __future__ import annotations

import fcntl
import itertools
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from mailproxy.tls.openssl import WANT_READ
from mailproxy.transport.poller import BYTES, Poller
from mailproxy.transport.secure import (
    EMPTY_READS,
    EMPTY_READS_SECONDS,
    HANDSHAKE_READ_BYTES,
    HandshakeError,
    SecureStream,
)
from mailproxy.transport.stream import FLOOD, NOBODY, Stream
from tests.tls.records import CIPHERS_12, HANDSHAKE, Sender, Sender12
from tests.tls.servers import NAME, server_context, tls_server
from tests.transport.peers import Peer, TlsPeer, client_context
from tests.transport.relay import Relay, raw, tcp_pair

# In time: a key update that asks for ours takes two reads, and the handshake leaves a few records behind.
SOME = EMPTY_READS // 2 - 10

# Where a ServerHello has its random number: behind the heads of record and message, and the version.
_RANDOM = slice(11, 43)


class Listening(TlsPeer):
    """A client that keeps the bytes that came first."""

    first = b""

    def _received(self, data: bytes) -> None:
        self.first = self.first or data
        super()._received(data)


def waiting_in(stream: Stream) -> int:
    """Return how many bytes wait in the kernel to be read."""
    return int(struct.unpack("i", fcntl.ioctl(stream.fd, termios.FIONREAD, bytes(4)))[0])


@frozen
class Flood:
    """A relay, the stream that is flooded, and what floods it: each call returns another record without payload."""

    relay: Relay
    stream: Stream
    peer: Peer
    record: Callable[[], bytes]
    data: Callable[[bytes], bytes]

    def send(self, count: int) -> None:
        """Send records without payload, and wait until all are there."""
        wanted = self.waiting
        for _ in range(count):
            record = self.record()
            wanted += len(record)
            self.peer.send_raw(record)
        assert not self.peer.unsent
        deadline = time.monotonic() + 5
        while self.waiting != wanted:
            assert time.monotonic() < deadline

    @property
    def waiting(self) -> int:
        """How many bytes wait in the kernel to be read."""
        return waiting_in(self.stream)

    @property
    def name(self) -> str:
        return self.relay.name(self.stream)


def _of_client(folder: Path, version: ssl.TLSVersion) -> tuple[Relay, Listening]:
    context = client_context(version)
    context.keylog_filename = str(folder / "keys")
    if version == ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(CIPHERS_12)
    clients: list[Listening] = []

    def connect(theirs: socket.socket) -> TlsPeer:
        clients.append(Listening(theirs, context, NAME))
        return clients[0]

    return Relay(tls=True, connect=connect), clients[0]


def _client_updates_keys(folder: Path) -> Flood:
    relay, client = _of_client(folder, ssl.TLSVersion.TLSv1_3)
    sender = Sender(folder / "keys")
    return Flood(relay, relay.near, client, sender.key_update, sender.data)


def _client_renegotiates(folder: Path) -> Flood:
    relay, client = _of_client(folder, ssl.TLSVersion.TLSv1_2)
    sender = Sender12(folder / "keys", client.first[_RANDOM])
    hello = _client_hello()
    return Flood(relay, relay.near, client, lambda: sender.record(HANDSHAKE, hello), sender.data)


def _server_updates_keys(folder: Path) -> Flood:
    context = server_context()
    context.keylog_filename = str(folder / "keys")
    relay = Relay(server_tls=context)
    sender = Sender(folder / "keys", "SERVER")
    _skip_tickets(sender, context)
    return Flood(relay, relay.far, relay.server, sender.key_update, sender.data)


def _client_hello() -> bytes:
    """Return the message that begins another handshake, without the record around it."""
    outgoing = ssl.MemoryBIO()
    connection = client_context(ssl.TLSVersion.TLSv1_2).wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()[5:]


def _skip_tickets(sender: Sender, context: ssl.SSLContext) -> None:
    """Count the session tickets that the server has sent."""
    for _ in range(context.num_tickets):
        sender.data(b"")


@pytest.fixture(params=[_client_updates_keys, _client_renegotiates, _server_updates_keys])
def flood(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flood]:
    made: Flood = request.param(tmp_path)
    with made.relay:
        made.relay.settle()
        made.peer.reading = False  # what we answer would be too much for its OpenSSL
        yield made


def test_one_turn_reads_one_record(flood: Flood) -> None:
    """The next one waits until the others had their turn."""
    flood.send(50)
    before = flood.waiting
    flood.stream.on_event(BYTES)
    assert before * 48 / 50 < flood.waiting < before


def test_payload_behind_it_arrives(flood: Flood) -> None:
    flood.send(50)
    flood.peer.send_raw(flood.data(b"hello"))
    assert flood.stream.peer is not None
    other = flood.relay.server if flood.stream is flood.relay.near else flood.relay.client
    flood.relay.until(lambda: other.data == b"hello")
    assert flood.relay.heard == []


def test_what_does_not_stop_is_cut_off(flood: Flood) -> None:
    flood.send(EMPTY_READS + 1)
    flood.relay.until(lambda: flood.relay.heard)
    assert flood.relay.heard == [f"{flood.name} failed: {FLOOD}"]
    assert not flood.stream.events


def test_what_stops_in_time_is_not_cut_off(flood: Flood) -> None:
    flood.send(SOME)
    flood.relay.settle()
    assert flood.relay.heard == []


def test_payload_in_between_is_no_flood(flood: Flood) -> None:
    flood.send(SOME)
    flood.peer.send_raw(flood.data(b"hello"))
    flood.relay.settle()
    flood.send(SOME)
    flood.relay.settle()
    assert flood.relay.heard == []


def test_records_without_payload_now_and_then_are_no_flood(flood: Flood) -> None:
    """A session that idles for days may change its keys."""
    for _ in range(3):
        flood.send(SOME)
        flood.relay.settle()
        flood.relay.now += EMPTY_READS_SECONDS
    assert flood.relay.heard == []


def test_flood_before_the_relay_is_cut_off_as_well(flood: Flood) -> None:
    """While a greeting is awaited, or the other side's end."""
    stream = flood.stream
    assert isinstance(stream, SecureStream)
    flood.send(SOME)
    assert [stream.read_some() for _ in range(SOME)] == [0] * SOME
    flood.send(EMPTY_READS)
    with pytest.raises(ConnectionError, match=FLOOD):
        any(stream.read_some() for _ in range(EMPTY_READS))


def test_lingering_stream_that_is_flooded_is_over(flood: Flood) -> None:
    other = flood.stream.peer
    assert other is not None
    other.read_ended = other.write_ended = True
    flood.stream.linger()
    flood.send(EMPTY_READS + 1)
    flood.relay.until(lambda: "over" in flood.relay.heard)


def test_half_a_message_does_not_spin_while_the_server_speaks(tmp_path: Path) -> None:
    """OpenSSL writes nothing before it has read the rest."""
    relay, client = _of_client(tmp_path, ssl.TLSVersion.TLSv1_3)
    first, second = Sender(tmp_path / "keys").split_key_update()
    with relay:
        client.send_raw(first)
        relay.settle()
        relay.server.send(b"hello")
        relay.settle()
        assert not client.data
        client.send_raw(second)
        relay.until(lambda: client.data == b"hello")
        relay.server.send(b", again")
        relay.until(lambda: client.data == b"hello, again")
        assert relay.heard == []


# The handshake.


@pytest.fixture
def hello() -> Iterator[tuple[SecureStream, socket.socket]]:
    """A stream before its handshake, and the client's socket."""
    ours, theirs = tcp_pair()
    poller = Poller()
    server = tls_server()
    stream = SecureStream(raw(ours), poller, NOBODY, server)
    yield stream, theirs
    stream.close()
    theirs.close()
    poller.close()


def hello_in_pieces(empty: int) -> Iterator[bytes]:
    """Yield the longest ClientHello that OpenSSL takes, in records of one byte, with so many empty ones before each."""
    size = 131_000
    for byte in b"\1" + size.to_bytes(3) + b"\3\3" + bytes(size - 2):
        yield bytes([HANDSHAKE, 3, 1, 0, 0]) * empty + bytes([HANDSHAKE, 3, 1, 0, 1, byte])


@pytest.mark.parametrize("empty", [0, 31])
def test_one_turn_of_a_handshake_is_bounded(hello: tuple[SecureStream, socket.socket], empty: int) -> None:
    """However small the records: on the socket itself, one call would go on for as long as the client sends."""
    stream, theirs = hello
    data = b"".join(itertools.islice(hello_in_pieces(empty), 20_000))[: 2 * HANDSHAKE_READ_BYTES]
    theirs.sendall(data)
    while waiting_in(stream) < len(data):
        pass
    assert stream.handshake() == WANT_READ
    assert waiting_in(stream) == len(data) - HANDSHAKE_READ_BYTES


def test_handshake_without_end_is_refused(hello: tuple[SecureStream, socket.socket]) -> None:
    stream, theirs = hello
    theirs.setblocking(False)
    pieces = hello_in_pieces(31)

    def shake_hands() -> None:
        for piece in pieces:
            theirs.send(piece)
            assert stream.handshake() == WANT_READ

    with pytest.raises(HandshakeError, match="not done after 256 KiB"):
        shake_hands()
