"""Peers that send TLS records without payload: others get their turn, and what does not stop is cut off."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from mailproxy.tls import late_messages
from mailproxy.tls.openssl import RECORD_BYTES
from mailproxy.transport.poller import BYTES
from mailproxy.transport.secure import EMPTY_READS, EMPTY_READS_SECONDS, SecureStream
from mailproxy.transport.stream import FLOOD, MESSAGE_IN_PIECES, RENEGOTIATION, Stream
from tests.tls.records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CIPHERS_12,
    HANDSHAKE,
    HELLO_REQUEST,
    SERVER_RANDOM,
    Sender,
    Sender12,
)
from tests.tls.servers import NAME, server_context
from tests.transport.peers import Peer, TlsPeer, client_context, client_hello
from tests.transport.relay import Relay, linger, waiting_in

# In time: a key update that asks for ours takes two reads, and the handshake leaves a few records behind.
SOME = EMPTY_READS // 2 - 10


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


def test_payload_behind_a_flood_arrives(flood: Flood) -> None:
    flood.send(50)
    flood.peer.send_raw(flood.data(b"hello"))
    assert flood.stream.peer is not None
    other = flood.relay.server if flood.stream is flood.relay.near else flood.relay.client
    flood.relay.until(lambda: other.data == b"hello")
    assert flood.relay.calls == []


def test_flood_that_does_not_stop_is_cut_off(flood: Flood) -> None:
    flood.send(EMPTY_READS + 1)
    flood.relay.until(lambda: flood.relay.calls)
    assert flood.relay.calls == [f"{flood.name} failed: {FLOOD}"]
    assert not flood.stream.events


def test_flood_that_stops_in_time_is_not_cut_off(flood: Flood) -> None:
    flood.send(SOME)
    flood.relay.settle()
    assert flood.relay.calls == []


def test_payload_in_between_is_no_flood(flood: Flood) -> None:
    flood.send(SOME)
    flood.peer.send_raw(flood.data(b"hello"))
    flood.relay.settle()
    flood.send(SOME)
    flood.relay.settle()
    assert flood.relay.calls == []


def test_records_without_payload_now_and_then_are_no_flood(flood: Flood) -> None:
    """A session that idles for days may change its keys."""
    for _ in range(3):
        flood.send(SOME)
        flood.relay.settle()
        flood.relay.now += EMPTY_READS_SECONDS
    assert flood.relay.calls == []


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
    linger(flood.stream)
    flood.send(EMPTY_READS + 1)
    flood.relay.until(lambda: "over" in flood.relay.calls)


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
        assert relay.calls == []


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
    assert renegotiation.relay.calls == [f"near failed: {RENEGOTIATION}"]


def test_renegotiation_is_not_read_to_its_end(renegotiation: Renegotiation) -> None:
    """After the head of the message, OpenSSL reads one more record."""
    renegotiation.send(b"\1\1\0\0", *[b"", b"\3"] * 100)
    before = waiting_in(renegotiation.relay.near)
    renegotiation.relay.near.on_event(BYTES)
    assert waiting_in(renegotiation.relay.near) > before * 3 / 4


def test_renegotiation_behind_payload_ends_the_connection(renegotiation: Renegotiation) -> None:
    payload = bytes(RECORD_BYTES)
    sender = renegotiation.sender
    renegotiation.send_records(sender.data(payload) + sender.record(HANDSHAKE, HELLO))
    renegotiation.relay.until(lambda: renegotiation.relay.calls)
    assert renegotiation.relay.calls == [f"near failed: {RENEGOTIATION}"]
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
        other.until(lambda: other.calls)
        assert other.calls == ["near ended"]


# Records that OpenSSL counts, and that it goes on to read behind within one call.

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
WARNING = b"\1\x5a"  # user_canceled, the only one that TLS 1.3 does not take for an end


@pytest.mark.parametrize(
    ("version", "kind", "content", "reason"),
    [
        (V12, ALERT, WARNING, "too many warn alerts"),
        (V13, ALERT, WARNING, "too many warn alerts"),
        (V12, CHANGE_CIPHER_SPEC, b"\1", "ccs received early"),
        (V13, CHANGE_CIPHER_SPEC, b"\1", "bad record type"),
        (V12, APPLICATION_DATA, b"", "record too small"),
        (V13, APPLICATION_DATA, b"", "record too small"),
        (V13, HANDSHAKE, b"", "bad length"),
    ],
)
def test_few_records_of_other_kinds_end_the_connection(
    tmp_path: Path, version: ssl.TLSVersion, kind: int, content: bytes, reason: str
) -> None:
    relay, client = _of_client(tmp_path, version)
    with relay:
        relay.settle()
        keys = tmp_path / "keys"
        sender = Sender(keys) if version == V13 else Sender12(keys, client.first[SERVER_RANDOM])
        data = b"".join(sender.record(kind, content) for _ in range(40))
        client.send_raw(data)
        while waiting_in(relay.near) < len(data):
            pass
        relay.near.on_event(BYTES)
        assert relay.calls == [f"near failed: {reason}"]


# Messages of a server.


@frozen
class ServerMessage:
    """A relay to a server of TLS 1.3, and what seals the server's records."""

    relay: Relay
    sender: Sender

    def send(self, *contents: bytes) -> None:
        """Send records with pieces of a handshake message, and wait until all are there."""
        data = b"".join(self.sender.record(HANDSHAKE, content) for content in contents)
        wanted = waiting_in(self.relay.far) + len(data)
        self.relay.server.send_raw(data)
        deadline = time.monotonic() + 5
        while waiting_in(self.relay.far) != wanted:
            assert time.monotonic() < deadline


@pytest.fixture
def server_message(tmp_path: Path) -> Iterator[ServerMessage]:
    flood = _server_updates_keys(tmp_path)
    with flood.relay:
        flood.relay.settle()
        sender = Sender(tmp_path / "keys", "SERVER")
        _skip_tickets(sender, server_context())
        yield ServerMessage(flood.relay, sender)


def ticket(size: int) -> bytes:
    """Return a session ticket of this number of bytes (RFC 8446 section 4.6.1)."""
    body = bytes(8) + b"\1\1" + size.to_bytes(2) + bytes(size) + bytes(2)
    return b"\4" + len(body).to_bytes(3) + body


def test_session_ticket_in_one_record_is_read(server_message: ServerMessage) -> None:
    server_message.send(ticket(16_000), ticket(200))
    server_message.send(ticket(100) + ticket(100))
    server_message.relay.server.send_raw(server_message.sender.data(b"hello"))
    server_message.relay.until(lambda: server_message.relay.client.data == b"hello")
    assert server_message.relay.calls == []


def test_session_ticket_in_pieces_ends_the_connection(server_message: ServerMessage) -> None:
    """OpenSSL would read all of them within one call."""
    server_message.send(*_pieces(ticket(1_000)))
    before = waiting_in(server_message.relay.far)
    server_message.relay.far.on_event(BYTES)
    assert server_message.relay.calls == [f"far failed: {MESSAGE_IN_PIECES}"]
    assert waiting_in(server_message.relay.far) > before * 3 / 4


def test_server_gets_the_new_keys_that_it_asked_for_and_what_follows(tmp_path: Path) -> None:
    """They go out in front of the next words, even if these have to wait for it."""
    flood = _server_updates_keys(tmp_path)
    with flood.relay as relay:
        relay.settle()
        flood.send(1)
        relay.settle()
        relay.client.send(b"hello")
        relay.until(lambda: relay.server.data == b"hello")
        relay.client.send(b", again")
        relay.until(lambda: relay.server.data == b"hello, again")
        assert relay.calls == []


def test_messages_of_one_server_are_forgotten_with_it(server_message: ServerMessage) -> None:
    server_message.relay.close()
    assert not late_messages.server_descriptors
