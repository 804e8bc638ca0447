"""Records of TLS in a stream."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mailproxy.transport.poller import BYTES
from mailproxy.transport.stream import VIEW
from tests.tls.connect import Connection
from tests.tls.records import Sender
from tests.tls.servers import NAME, tls_server
from tests.transport.peers import TlsPeer, client_context
from tests.transport.relay import Relay, is_ready, tcp_pair, unix_pair


@pytest.fixture
def secured() -> Iterator[Connection]:
    """A client and our side, after their handshake."""
    made = Connection(tls_server())
    yield made
    made.close()


def test_stream_that_was_closed_has_no_tls_left(secured: Connection) -> None:
    secured.stream.close()
    secured.stream.close()
    assert secured.stream.ssl is None


@pytest.fixture
def key_log(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def updating(key_log: Path) -> Iterator[Relay]:
    """A relay whose client's keys are known."""
    context = client_context()
    context.keylog_filename = str(key_log)
    with Relay(tls=True, connect=lambda theirs: TlsPeer(theirs, context, NAME)) as made:
        yield made


def test_client_may_change_its_keys_and_ask_for_ours(updating: Relay, key_log: Path) -> None:
    sender = Sender(key_log)
    updating.client.send_raw(sender.data(b"before ") + sender.key_update() + sender.data(b"after"))
    updating.until(lambda: updating.server.data == b"before after")
    updating.server.send(b"still understood")
    updating.until(lambda: updating.client.data == b"still understood")
    assert updating.calls == []


def test_client_may_change_keys_while_it_does_not_read(key_log: Path) -> None:
    context = client_context()
    context.keylog_filename = str(key_log)
    with Relay(tls=True, pair=partial(tcp_pair, 4096), connect=lambda theirs: TlsPeer(theirs, context, NAME)) as relay:
        sender = Sender(key_log)
        relay.client.reading = False
        relay.server.send(bytes(1_000_000))
        relay.settle()
        relay.client.send_raw(sender.key_update() + sender.data(b"hello"))
        relay.until(lambda: relay.server.data == b"hello")
        relay.settle()
        assert not is_ready(relay.poller)
        relay.client.reading = True
        relay.until(lambda: len(relay.client.data) == 1_000_000)
        assert relay.calls == []


def test_words_are_read_and_dropped(secured: Connection) -> None:
    stream, client = secured.stream, secured.client
    assert stream.read_some() == 0
    client.send(b"never mind")
    while not stream.read_some():
        pass
    client.notify()
    while not (count := stream.read_some()):
        pass
    assert count == -1


def test_read_of_several_records_stops_before_the_buffer_is_full() -> None:
    with Relay(tls=True, pair=unix_pair) as relay:
        relay.client.send(bytes(20 * 16384))
        relay.client.pull()
        received = 0
        while relay.near.received < 20 * 16384:
            relay.near.on_event(BYTES)
            assert relay.near.received - received <= len(VIEW)
            received = relay.near.received
            relay.client.pull()
            relay.server.pull()
