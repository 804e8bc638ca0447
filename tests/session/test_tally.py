"""What sessions count of themselves, beyond the counters."""

from __future__ import annotations

import ssl
from ipaddress import ip_network
from typing import Any

import pytest

from mailproxy.backend.numbers import SERVER
from mailproxy.counting.layout import Durations, Totals
from mailproxy.session.log import DELAY_SECONDS
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.tls.servers import NAME
from tests.transport.peers import client_context, client_hello

HERE = (ip_network("127.0.0.0/8"),)


def totals(bench: Bench) -> Totals:
    """What the frontend has counted, once it has counted the last sessions."""
    bench.settle()
    bench.clock.advance(DELAY_SECONDS)
    return bench.frontend.totals


def table(bench: Bench, name: str) -> dict[str, int]:
    """The numbers of a table that are not 0."""
    return {key: number for key, number in totals(bench).tables[name].items() if number}


def of_server(bench: Bench, number: int = 0) -> dict[str, int]:
    """The numbers of a server that are not 0."""
    counted = SERVER.totals(bench.pool.servers[number].numbers).numbers
    return {name: number for name, number in counted.items() if number}


def bucket(durations: Durations) -> tuple[float, int]:
    """The bound of the only bucket that has durations, and how many."""
    ((bound, count),) = [pair for pair in zip((*durations.bounds, 0.0), durations.counts, strict=True) if pair[1]]
    return bound, count


def part(bench: Bench, *peers: Any) -> None:
    """End the only session."""
    for peer in peers:
        peer.end()
    bench.until(lambda: not bench.frontend.sessions)


# TLS.


@pytest.mark.parametrize(
    ("version", "words", "cipher"),
    [
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ],
)
def test_handshake_is_counted_while_the_session_lives(
    make: MakeBench, version: ssl.TLSVersion, words: str, cipher: str
) -> None:
    bench = make(tls=True)
    bench.relay(bench.tls_client(client_context(version)))
    assert totals(bench).numbers["handshakes"] == 1
    assert (table(bench, "versions"), table(bench, "ciphers")) == ({words: 1}, {cipher: 1})
    assert table(bench, "groups") == {"x25519": 1}
    assert bucket(totals(bench).histograms["handshake_time"]) == (0.001, 1)


def test_handshake_of_a_client_without_a_server_is_counted_once(make: MakeBench) -> None:
    bench = make(tls=True, backend={"retries": 0})
    bench.server.refuse()
    client = bench.tls_client()
    bench.until(lambda: client.fin)
    part(bench, client)
    assert totals(bench).numbers["handshakes"] == 1


def test_resumed_handshake_is_counted_as_such(make: MakeBench) -> None:
    bench = make(tls=True)
    context = client_context(ssl.TLSVersion.TLSv1_2)
    first = bench.tls_client(context)
    part(bench, *bench.relay(first))
    part(bench, *bench.relay(bench.tls_client(context, session=first.tls.session)))
    numbers = totals(bench).numbers
    assert (numbers["handshakes"], numbers["resumed"]) == (2, 1)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"EHLO client.example\r\n", "not-tls"),
        (b"GET / HTTP/1.1\r\n\r\n", "not-tls"),
        (b"", "closed"),
    ],
)
def test_failed_handshakes_are_counted_by_kind(make: MakeBench, data: bytes, kind: str) -> None:
    bench = make(tls=True)
    client = bench.client()
    client.send(data)
    client.end()
    bench.until(lambda: client.fin)
    part(bench)
    assert table(bench, "handshake_failures") == {kind: 1}


def test_late_handshake_is_counted(make: MakeBench) -> None:
    bench = make(tls=True, timeout={"handshake": 10.0})
    client = bench.client()
    bench.advance(11)
    part(bench, client)
    assert table(bench, "handshake_failures") == {"late": 1}


def test_client_that_does_not_trust_us_is_counted(make: MakeBench) -> None:
    bench = make(tls=True)
    context = client_context()
    context.verify_mode = ssl.CERT_REQUIRED
    client = bench.tls_client(context)
    bench.until(lambda: client.fin)
    part(bench, client)
    assert table(bench, "handshake_failures") == {"distrusted": 1}


def test_client_with_foreign_ciphers_is_counted(make: MakeBench) -> None:
    bench = make(tls=True)
    context = client_context(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA")
    client = bench.client()
    client.send(client_hello(context, NAME))
    bench.until(lambda: client.fin)
    part(bench, client)
    assert table(bench, "handshake_failures") == {"no-match": 1}


# The PROXY header, and the one for the server.


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"EHLO client.example\r\n", "not-proxy"),
        (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "malformed"),
        (b"PROXY TCP4 ", "cut"),
        (b"PROXY TCP4 " + b"1" * 200, "too-large"),
    ],
)
def test_refused_headers_are_counted_by_kind(make: MakeBench, data: bytes, kind: str) -> None:
    bench = make(accept_proxy=HERE)
    client = bench.client()
    client.send(data)
    client.end()
    bench.until(lambda: client.fin or client.reset)
    client.close()
    part(bench)
    assert table(bench, "header_failures") == {kind: 1}


def test_header_of_a_client_that_may_not_send_one_is_counted(make: MakeBench) -> None:
    bench = make(accept_proxy=(ip_network("10.0.0.0/8"),))
    client = bench.client()
    client.send(b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n")
    bench.until(lambda: client.fin or client.reset)
    client.close()
    part(bench)
    assert table(bench, "header_failures") == {"unexpected": 1}


def test_tlvs_without_room_are_counted_by_name(make: MakeBench) -> None:
    bench = make(tls=True, send_proxy="v2-ssl", backend={"proxy_v2_options": ("ssl-cipher", "authority")})
    bench.frontend.terms.backend.header._limit = 60  # noqa: SLF001  # no profile has such a small one
    bench.relay()
    assert set(table(bench, "tlvs_without_room")) == {"AUTHORITY", "SSL_CIPHER"}


# STARTTLS.


def starttls(make: MakeBench, **settings: Any) -> Bench:
    return make(tls=True, mode="starttls", **settings)


def after_tls(bench: Bench) -> tuple[Any, Any]:
    """A client that has sent STARTTLS, and its server, which has greeted."""
    client = bench.starttls_client()
    server = bench.server.accept(GREETING)
    bench.settle()
    return client, server


def test_dialogue_that_leads_to_tls_is_counted(make: MakeBench) -> None:
    bench = starttls(make)
    after_tls(bench)
    assert table(bench, "dialogues") == {"starttls": 1}


def test_dialogue_is_counted_once(make: MakeBench) -> None:
    bench = starttls(make)
    part(bench, *after_tls(bench))
    assert table(bench, "dialogues") == {"starttls": 1}


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"a LOGOUT\r\n", "goodbye"),
        (b"a STARTTLS\r\nb NOOP\r\n", "injected"),
        (b"\0" * 20000, "misbehaved"),
    ],
)
def test_dialogue_that_the_client_ends_is_counted(make: MakeBench, data: bytes, outcome: str) -> None:
    bench = starttls(make)
    client = bench.client()
    bench.until(lambda: client.data)
    client.send(data)
    bench.until(lambda: client.fin or client.reset)
    client.close()
    part(bench)
    assert table(bench, "dialogues") == {outcome: 1}


def test_dialogue_that_the_client_leaves_is_counted(make: MakeBench) -> None:
    bench = starttls(make)
    client = bench.client()
    bench.until(lambda: client.data)
    client.close()
    part(bench)
    assert table(bench, "dialogues") == {"left": 1}


def test_dialogue_without_tls_is_counted(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls-optional")
    client = bench.client()
    bench.until(lambda: client.data)
    client.send(b"a LOGIN alice secret\r\n")
    bench.server.accept(GREETING)
    bench.settle()
    assert table(bench, "dialogues") == {"clear": 1}


# The server.


def test_bytes_are_counted_at_the_end(make: MakeBench) -> None:
    bench = make()
    client, server = bench.relay()
    client.send(b"a NOOP\r\n")
    bench.until(lambda: server.data)
    part(bench, client, server)
    numbers = totals(bench).numbers
    assert (numbers["bytes_in"], numbers["bytes_out"]) == (8, len(GREETING))
    assert of_server(bench) == {"sessions": 1, "bytes_in": 8, "bytes_out": len(GREETING)}


def test_attempts_are_counted_by_server(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 2})
    client = bench.client()
    bench.servers[0].accept().end()
    bench.servers[1].accept().end()
    bench.servers[0].accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    assert totals(bench).numbers["retries"] == 2
    assert of_server(bench) == {"sessions": 1, "failed": 1, "redispatches": 1}
    assert of_server(bench, 1) == {"failed": 1, "redispatches": 1}


def test_refusal_and_retry_are_counted(make: MakeBench) -> None:
    bench = make(protocol="submission", backend={"retries": 1}, connect=1.0)
    client = bench.client()
    bench.server.accept().end()
    bench.advance(1.5)
    bench.server.accept(b"554 no\r\n")
    bench.until(lambda: client.fin)
    part(bench, client)
    assert of_server(bench) == {"failed": 1, "refused": 1, "retries": 1}


def test_wait_in_the_queue_is_no_time_to_connect(make: MakeBench) -> None:
    bench = make(each={"maxconn": 1}, queue=60.0)
    ends = bench.relay()
    second = bench.client()
    bench.advance(3)
    for end in ends:
        end.end()
    bench.server.accept(GREETING)
    bench.until(lambda: second.data == GREETING)
    counted = totals(bench).histograms
    assert bucket(counted["queue_time"]) == (5.0, 1)
    assert bucket(counted["connect_time"]) == (0.001, 2)
    assert counted["first_byte_time"].total_seconds == pytest.approx(3, abs=0.5)


def test_duration_and_ending_are_counted_at_the_end(make: MakeBench) -> None:
    bench = make()
    ends = bench.relay()
    bench.advance(50)
    assert table(bench, "endings") == {}
    part(bench, *ends)
    assert table(bench, "endings") == {"-- done": 1}
    assert bucket(totals(bench).histograms["duration"]) == (60.0, 1)


def test_ending_in_any_stage_is_counted_with_its_letter(make: MakeBench) -> None:
    bench = make()
    client, _ = bench.relay()
    client.break_off()
    part(bench)
    bench.client().break_off()
    part(bench)
    assert table(bench, "endings") == {"CD client-left": 1, "CC client-left": 1}


def test_sessions_that_come_together_are_counted_each_as_it_is(make: MakeBench) -> None:
    bench = make(tls=True, servers=2, each={"maxconn": 2})
    contexts = [client_context(version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
    relays = []
    for number in (0, 0, 1):
        client = bench.tls_client(contexts[number])
        server = bench.servers[number].accept(GREETING)
        bench.until(lambda client=client: client.data == GREETING)  # type: ignore[misc]  # mypy cannot infer defaults
        relays.append((client, server))
    relays[1][0].break_off()
    for peer in (*relays[0], *relays[2]):
        peer.end()
    bench.until(lambda: not bench.frontend.sessions)
    assert table(bench, "versions") == {"TLSv1.2": 2, "TLSv1.3": 1}
    assert table(bench, "endings") == {"-- done": 2, "CD client-left": 1}
    sent = len(GREETING)
    assert of_server(bench) == {"sessions": 2, "bytes_out": 2 * sent}
    assert of_server(bench, 1) == {"sessions": 1, "bytes_out": sent}
    assert totals(bench).numbers["bytes_out"] == 3 * sent
