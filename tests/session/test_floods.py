"""What a session does about a peer that sends TLS records without payload, and nothing else."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from mailproxy.config import ServerTls
from mailproxy.transport.secure import EMPTY_READS
from mailproxy.transport.stream import FLOOD, MESSAGE_IN_PIECES, RENEGOTIATION
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.tls.records import CIPHERS_12, HANDSHAKE, SERVER_RANDOM, Sender, Sender12
from tests.tls.servers import NAME
from tests.transport.peers import client_context, client_hello


@pytest.fixture
def key_log(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def sender_of(bench: Bench, key_log: Path) -> Sender:
    """Return the server's record sealer, after its session tickets."""
    sender = Sender(key_log, "SERVER")
    for _ in range(bench.server_context.num_tickets):
        sender.data(b"")
    return sender


def test_client_is_cut_off(make: MakeBench, key_log: Path) -> None:
    bench = make(tls=True)
    context = client_context()
    context.keylog_filename = str(key_log)
    client, server = bench.relay(bench.tls_client(context))
    sender = Sender(key_log)
    client.send_raw(b"".join(sender.key_update() for _ in range(EMPTY_READS)))
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("PD", f"client: {FLOOD}")
    bench.until(lambda: server.fin)


def test_client_that_renegotiates_is_cut_off(make: MakeBench, key_log: Path) -> None:
    bench = make(tls=True)
    context = client_context(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(CIPHERS_12)
    context.keylog_filename = str(key_log)
    tls_client = bench.tls_client(context)
    client, server = bench.relay(tls_client)
    hello = client_hello(context, NAME)[5:]
    client.send_raw(Sender12(key_log, tls_client.first[SERVER_RANDOM]).record(HANDSHAKE, hello))
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("PD", f"client: {RENEGOTIATION}")
    bench.until(lambda: server.fin)


def test_server_is_cut_off_and_the_client_sees_the_end(make: MakeBench, key_log: Path) -> None:
    bench = make(server_tls=ServerTls(verify="none"))
    bench.server_context.keylog_filename = str(key_log)
    client, server = bench.relay()
    sender = sender_of(bench, key_log)
    sender.data(GREETING)
    server.send_raw(b"".join(sender.key_update() for _ in range(EMPTY_READS)))
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("PD", f"server: {FLOOD}")


def test_server_that_sends_a_message_in_pieces_is_cut_off(make: MakeBench, key_log: Path) -> None:
    bench = make(server_tls=ServerTls(verify="none"))
    bench.server_context.keylog_filename = str(key_log)
    client, server = bench.relay()
    sender = sender_of(bench, key_log)
    sender.data(GREETING)
    server.send_raw(b"".join(sender.split_key_update()))
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("PD", f"server: {MESSAGE_IN_PIECES}")


def test_server_that_floods_instead_of_greeting_is_a_server_that_is_not_there(make: MakeBench, key_log: Path) -> None:
    bench = make(server_tls=ServerTls(verify="none"), backend={"retries": 0})
    bench.server_context.keylog_filename = str(key_log)
    client = bench.client()
    server = bench.server.accept()
    bench.until(lambda: key_log.exists() and "SERVER_TRAFFIC_SECRET_0" in key_log.read_text())
    bench.settle()
    sender = sender_of(bench, key_log)
    server.send_raw(b"".join(sender.key_update() for _ in range(EMPTY_READS)))
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("SC", FLOOD)
