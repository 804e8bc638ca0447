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

from mailproxy.tls.openssl import RECORD_BYTES, WANT_READ
from mailproxy.transport.poller import BYTES, Poller
from mailproxy.transport.secure import (
    EMPTY_READS,
    EMPTY_READS_SECONDS,
    HANDSHAKE_READ_BYTES,
    HandshakeError,
    SecureStream,
)
from mailproxy.transport.stream import FLOOD, NOBODY, RENEGOTIATION, Stream
from tests.tls.records import CIPHERS_12, HANDSHAKE, SERVER_RANDOM, Sender, Sender12
from tests.tls.servers import NAME, server_context, tls_server
from tests.transport.peers import Peer, TlsPeer, client_context, client_hello
from tests.transport.relay import Relay, raw, tcp_pair

# In time: a key update that asks for ours takes two reads, and the handshake leaves a few records behind.
SOME = EMPTY_READS // 2 - 10

HELLO_REQUEST = bytes(4)


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


def _of_client(folder: Path, version: ssl.TLSVersion) -> tuple[Relay, TlsPeer]:
    context = client_context(version)
    context.keylog_filename = str(folder / "keys")
    if version == ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(CIPHERS_12)
    clients: list[TlsPeer] = []

    def connect(theirs: socket.socket) -> TlsPeer:
        clients.append(TlsPeer(theirs, context, NAME))
        return clients[0]

    return Relay(tls=True, connect=connect), clients[0]


def _client_updates_keys(folder: Path) -> Flood:
    relay, client = _of_client(folder, ssl.TLSVersion.TLSv1_3)
    sender = Sender(folder / "keys")
    return Flood(relay, relay.near, client, sender.key_update, sender.data)


def _server_updates_keys(folder: Path) -> Flood:
    context = server_context()
    context.keylog_filename = str(folder / "keys")
    relay = Relay(server_tls=context)
    sender = Sender(folder / "keys", "SERVER")
    _skip_tickets(sender, context)
    return Flood(relay, relay.far, relay.server, sender.key_update, sender.data)


def _server_asks_for_renegotiation(folder: Path) -> Flood:
    context = server_context(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(CIPHERS_12)
    context.keylog_filename = str(folder / "keys")
    relay = Relay(server_tls=context)
    sender = Sender12(folder / "keys", relay.tls_server.sent[SERVER_RANDOM], "SERVER")
    return Flood(relay, relay.far, relay.server, lambda: sender.record(HANDSHAKE, HELLO_REQUEST), sender.data)


def _skip_tickets(sender: Sender, context: ssl.SSLContext) -> None:
    """Count the session tickets that the server has sent."""
    for _ in range(context.num_tickets):
        sender.data(b"")


@pytest.fixture(params=[_client_updates_keys, _server_updates_keys, _server_asks_for_renegotiation])
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


# Renegotiation.


@frozen
class Renegotiation:
    """A relay of a client of TLS 1.2, and what seals its records."""

    relay: Relay
    client: TlsPeer
    sender: Sender12

    def send(self, *contents: bytes) -> None:
        """Send records with pieces of a handshake message, and wait until all are there."""
        data = b"".join(self.sender.record(HANDSHAKE, content) for content in contents)
        self.send_records(data)

    def send_records(self, data: bytes) -> None:
        """Send records, and wait until all are there."""
        wanted = waiting_in(self.relay.near) + len(data)
        self.client.send_raw(data)
        deadline = time.monotonic() + 5
        while waiting_in(self.relay.near) != wanted:
            assert time.monotonic() < deadline


@pytest.fixture
def renegotiation(tmp_path: Path) -> Iterator[Renegotiation]:
    relay, client = _of_client(tmp_path, ssl.TLSVersion.TLSv1_2)
    with relay:
        relay.settle()
        yield Renegotiation(relay, client, Sender12(tmp_path / "keys", client.first[SERVER_RANDOM]))


# The message that begins another handshake, without the record around it.
HELLO = client_hello(client_context(ssl.TLSVersion.TLSv1_2), NAME)[5:]


def _pieces(message: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in message]


@pytest.mark.parametrize(
    "contents",
    [[HELLO], _pieces(HELLO), [b"\1\0\0\0"]],
    ids=["whole", "pieces", "without a body"],
)
def test_renegotiation_ends_the_connection(renegotiation: Renegotiation, contents: list[bytes]) -> None:
    renegotiation.send(*contents)
    renegotiation.relay.near.on_event(BYTES)
    assert renegotiation.relay.heard == [f"near failed: {RENEGOTIATION}"]


def test_renegotiation_is_not_read_to_its_end(renegotiation: Renegotiation) -> None:
    """Behind the head of the message, OpenSSL reads one record more."""
    renegotiation.send(b"\1\1\0\0", *[b"", b"\3"] * 100)
    before = waiting_in(renegotiation.relay.near)
    renegotiation.relay.near.on_event(BYTES)
    assert waiting_in(renegotiation.relay.near) > before * 3 / 4


def test_renegotiation_behind_payload_ends_the_connection(renegotiation: Renegotiation) -> None:
    payload = bytes(RECORD_BYTES)
    sender = renegotiation.sender
    renegotiation.send_records(sender.data(payload) + sender.record(HANDSHAKE, HELLO))
    renegotiation.relay.until(lambda: renegotiation.relay.heard)
    assert renegotiation.relay.heard == [f"near failed: {RENEGOTIATION}"]
    assert renegotiation.relay.near.received == len(payload)


def test_renegotiation_before_the_relay_is_an_error_as_well(renegotiation: Renegotiation) -> None:
    renegotiation.send(HELLO)
    with pytest.raises(ConnectionError, match=RENEGOTIATION):
        renegotiation.relay.near.read_some()


def test_renegotiation_of_one_client_is_not_that_of_another(renegotiation: Renegotiation, tmp_path: Path) -> None:
    renegotiation.send(HELLO)
    renegotiation.relay.near.on_event(BYTES)
    other, client = _of_client(tmp_path, ssl.TLSVersion.TLSv1_2)
    with other:
        client.end()
        other.until(lambda: other.heard)
        assert other.heard == ["near ended"]


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
