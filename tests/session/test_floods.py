"""What a session does about a peer that sends TLS records without payload, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailproxy.config import ServerTls
from mailproxy.transport.secure import EMPTY_READS
from mailproxy.transport.stream import FLOOD
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.tls.records import Sender
from tests.transport.peers import client_context


@pytest.fixture
def key_log(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def sender_of(bench: Bench, key_log: Path) -> Sender:
    """Return what seals as the server, behind its session tickets."""
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


def test_server_is_cut_off_and_the_client_hears_the_end(make: MakeBench, key_log: Path) -> None:
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
