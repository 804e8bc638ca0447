"""The one log line of a session."""

from __future__ import annotations

import json
import re
import time
from functools import partial
from ipaddress import ip_network

import pytest
import trustme
from attrs import evolve
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import example, given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel

from mailproxy.session.record import DELAY_SECONDS, MOST_WAITING, SessionLog, as_line
from mailproxy.session.sampling import INTERVAL_SECONDS, LINES_PER_SOURCE, Sampler
from tests.announce.builders import ALICE
from tests.session.bench import Bench
from tests.session.conftest import MakeBench
from tests.tls.servers import NAME, tls_server
from tests.transport.peers import client_context


def end(bench: Bench) -> None:
    """End the only session, from the server on."""
    client, server = bench.peers
    server.end()
    bench.until(lambda: client.fin)
    client.end()


def test_line_names_what_is_known_in_order(make: MakeBench) -> None:
    bench = make(tls=True)
    client, _ = bench.relay()
    client_address = "{}:{}".format(*client.socket.getsockname())
    end(bench)
    line = bench.over()["line"]
    assert re.fullmatch(
        rf"id=[0-9a-f]+-1 frontend=front client={client_address} tls=TLSv1\.3 cipher=TLS_AES_128_GCM_SHA256 "
        rf"group=x25519 sni={NAME} backend=dovecot server=d1 bytes_in=0 bytes_out=12 handshake_ms=0 connect_ms=0 "
        r"total_ms=0 termination=-- first_to_end=server",
        line,
    )


def test_line_is_short_where_little_is_known(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.client().break_off()
    line = bench.over()
    assert {"tls", "cipher", "sni", "server", "handshake_ms", "connect_ms"} & line.keys() == set()


def test_fields_and_line_say_the_same(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.relay()
    end(bench)
    event = bench.over()
    for pair in event["line"].split(" "):
        key, value = pair.split("=")
        assert str(event[key]) == value


def test_whole_time_is_reported(make: MakeBench) -> None:
    bench = make(protocol="tcp")
    client = bench.client()
    bench.advance(3)
    client.break_off()
    assert bench.over()["total_ms"] == 3000


def test_time_to_the_greeting_is_reported(make: MakeBench) -> None:
    bench = make()
    client = bench.client()
    server = bench.server.accept()
    bench.advance(2)
    server.send(b"* OK\r\n")
    bench.until(lambda: client.data)
    end(bench)
    assert bench.over()["connect_ms"] == 2000


def test_ids_are_unique(make: MakeBench) -> None:
    bench = make()
    for _ in range(5):
        bench.relay()[0].break_off()
    bench.until(lambda: not bench.frontend.sessions)
    ids = {line["id"] for line in bench.lines()}
    assert len(ids) == 5


def test_resumed_session_is_reported_as_such(make: MakeBench) -> None:
    bench = make(tls=True)
    context = client_context()
    first = bench.tls_client(context)
    bench.relay(first)
    bench.relay(bench.tls_client(context, session=first.tls.session))
    for peer in list(bench.peers):
        peer.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert [line.get("resumed") for line in sorted(bench.lines(), key=lambda line: line["id"])] == [None, "yes"]


def test_application_protocol_is_reported(make: MakeBench) -> None:
    bench = make(tls=tls_server(alpn=("imap",)))
    context = client_context()
    context.set_alpn_protocols(["imap"])
    bench.relay(bench.tls_client(context))
    end(bench)
    assert bench.over()["alpn"] == "imap"


def test_client_certificate_is_reported_with_its_verdict(make: MakeBench) -> None:
    authority = trustme.CA()
    with authority.cert_pem.tempfile() as path:
        server = tls_server(client_certificates="required", client_ca=(path,))
    context = client_context()
    authority.issue_cert("alice@example.org", common_name='alice "the\nadmin"').configure_cert(context)
    bench = make(tls=server)
    bench.relay(bench.tls_client(context))
    end(bench)
    event = bench.over()
    assert event["verify"] == 0
    assert r'cn="alice \"the\nadmin\"" verify=0 ' in event["line"]


def test_client_that_is_refused_for_its_certificate_is_named(make: MakeBench) -> None:
    with trustme.CA().cert_pem.tempfile() as path:
        server = tls_server(client_certificates="required", client_ca=(path,))
    context = client_context()
    other = trustme.CA().issue_cert("mallory@example.org", common_name="mallory\nadmin")
    other.configure_cert(context)
    bench = make(tls=server)
    client = bench.tls_client(context)
    bench.until(lambda: client.fin)
    client.break_off()
    event = bench.over()
    shown = load_pem_x509_certificate(other.cert_chain_pems[0].bytes())
    assert int(event["serial"], 16) == shown.serial_number
    assert rf'cn="mallory\nadmin" serial={event["serial"]} verify=' in event["line"]
    assert "the client's certificate verify failed: unable to get local issuer certificate" in event["reason"]


@pytest.mark.parametrize(
    ("names", "logged"),
    [
        (("alice,admin",), r"alice\,admin"),
        (("alice", "admin"), "alice,admin"),
        (("alice\\", "admin"), r"alice\\,admin"),
    ],
)
def test_common_name_with_a_comma_is_not_two_names(make: MakeBench, names: tuple[str, ...], logged: str) -> None:
    bench = make()
    bench.relay()
    bench.session.facts = evolve(ALICE, client_common_names=names)
    end(bench)
    assert bench.over()["cn"] == logged


FOREIGN = ["sni", "alpn", "cn", "serial", "left_out", "reason", "rule", "label", "tlv_aws", "tlv_unique_id", "tlv_0xe1"]
FOREIGN += ["new"]


@given(st.sampled_from(FOREIGN), st.text(st.characters(exclude_categories=["Cs"])))
@example("sni", "two words")
@example("tlv_aws", "\x1b[2J")
@example("tlv_0xe1", "x client=192.0.2.66:1")
@example("cn", 'quo"te')
@example("reason", "new\nline")
@example("reason", "\u2028")
@example("left_out", "")
@example("serial", "")
@example("alpn", "back\\slash")
def test_words_from_outside_make_up_neither_a_line_nor_a_field(key: str, value: str) -> None:
    line = as_line({key: value})
    assert line.isascii()
    assert line.isprintable()
    name, _, shown = line.partition("=")
    assert name == key
    assert shown == value or json.loads(shown) == value
    assert shown[:1] == '"' or not re.search(r'[\s"]', shown)


@pytest.mark.parametrize("value", ["mail.example.org", "a=b", "x,y;z"])
def test_plain_words_stand_as_they_are(value: str) -> None:
    assert as_line({"sni": value}) == f"sni={value}"


def test_server_name_with_a_line_break_makes_no_line(make: MakeBench) -> None:
    bench = make(tls=True)
    sock = bench.socket()
    sock.setblocking(False)
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), sock)
    client.set_tlsext_host_name(b"x\nsession termination=--")
    client.set_connect_state()

    def is_secured() -> bool:
        try:
            client.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    bench.until(is_secured)
    sock.close()
    line = bench.over()["line"]
    assert r' sni="x\nsession termination=--" ' in line
    assert "\n" not in line


# How severe it is.


def level(bench: Bench) -> LogLevel:
    return bench.over()["log_level"]  # type: ignore[no-any-return]  # an event's fields are of any type


def test_session_is_information(make: MakeBench) -> None:
    bench = make()
    bench.relay()
    end(bench)
    assert level(bench) == LogLevel.info


def test_session_without_a_server_is_a_warning(make: MakeBench) -> None:
    bench = make()
    bench.server.refuse()
    client = bench.client()
    bench.until(lambda: bench.frontend.sessions)
    bench.advance(5)
    client.end()
    assert level(bench) == LogLevel.warn


def test_client_that_has_gone_before_there_was_a_server_is_information(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.client().break_off()
    assert level(bench) == LogLevel.info


@pytest.mark.parametrize("said", [b"a login\r\n", b"PROXY TCP4 192.0.2.1\r\n"])
def test_header_that_is_refused_is_a_warning(make: MakeBench, said: bytes) -> None:
    bench = make(accept_proxy=(ip_network("127.0.0.0/8"),))
    client = bench.client()
    client.send(said)
    bench.until(lambda: client.fin or client.reset)
    client.end()
    assert level(bench) == LogLevel.warn


def test_header_that_never_comes_is_a_warning(make: MakeBench) -> None:
    bench = make(accept_proxy=(ip_network("127.0.0.0/8"),))
    client = bench.client()
    bench.until(lambda: bench.frontend.sessions)
    bench.advance(10)
    client.break_off()
    assert level(bench) == LogLevel.warn


def test_balancer_that_only_looks_whether_we_listen_is_information(make: MakeBench) -> None:
    bench = make(accept_proxy=(ip_network("127.0.0.0/8"),))
    bench.client().break_off()
    assert level(bench) == LogLevel.info


def test_sessions_are_logged_in_a_row() -> None:
    clock = Clock()
    log = SessionLog(clock, Sampler(clock))
    add = partial(log.add, object())  # type: ignore[arg-type]  # never looked at
    add()
    add()
    assert len(clock.getDelayedCalls()) == 1
    assert clock.getDelayedCalls()[0].getTime() == DELAY_SECONDS


@pytest.mark.parametrize("what", ["begin", "add"])
def test_many_sessions_do_not_wait_for_more(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[float] = []
    clock = Clock()
    monkeypatch.setattr(SessionLog, "flush", lambda _: flushed.append(clock.seconds()))
    log = SessionLog(clock, Sampler(clock))
    for _ in range(MOST_WAITING - 1):
        getattr(log, what)(object())
    clock.advance(0)
    assert flushed == []
    getattr(log, what)(object())
    assert flushed == []  # what they were doing is done first
    clock.advance(0)
    clock.advance(DELAY_SECONDS)
    assert flushed == [0.0]


# Sessions that begin.


def test_session_that_begins_is_for_those_who_watch_alone(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.relay()
    bench.clock.advance(DELAY_SECONDS)
    told: list[LogEvent] = []
    bench.loop.log.watchers.append(told.append)
    client, _ = bench.relay()
    bench.clock.advance(DELAY_SECONDS)
    (event,) = told
    assert event["event"] == "session-begin"
    assert event["client"] == "{}:{}".format(*client.socket.getsockname())
    assert (event["server"], event["sni"], event["connect_ms"]) == ("d1", NAME, 0)
    assert {"bytes_in", "total_ms", "termination"} & event.keys() == set()
    assert [event for event in bench.events if event.get("event") == "session-begin"] == []


def test_session_that_ends_at_once_begins_first(make: MakeBench) -> None:
    bench = make()
    known: list[int] = []

    def told(event: LogEvent) -> None:
        known.append(sum(event.get("event") == "session" for event in bench.events))

    bench.loop.log.watchers.append(told)
    bench.relay()
    end(bench)
    bench.over()
    assert known == [0]


def test_time_of_a_begin_is_not_that_of_the_look_at_it(make: MakeBench) -> None:
    bench = make()
    told: list[LogEvent] = []
    bench.loop.log.watchers.append(told.append)
    bench.relay()
    bench.clock.advance(3600)
    assert told[0]["log_time"] == pytest.approx(time.time() - 3600, abs=60)


# Floods.


def test_flood_of_clients_that_get_no_server_has_few_lines_and_a_sum(make: MakeBench) -> None:
    bench = make(tls=True)
    clients = [bench.client() for _ in range(9)]
    for client in clients:
        client.send(b"this is not TLS\r\n")
    bench.until(lambda: bench.frontend.counters.handshake_errors == 9)
    for client in clients:
        client.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert len(bench.lines()) == LINES_PER_SOURCE
    bench.clock.advance(INTERVAL_SECONDS)
    (event,) = (event for event in bench.events if event.get("event") == "refusals")
    assert (event["frontend"], event["count"], event["sources"]) == ("front", 9 - LINES_PER_SOURCE, 1)
    assert event["reason"] == "the client's bytes are not TLS, or its TLS does not match ours"


def test_every_session_with_a_server_has_its_line(make: MakeBench) -> None:
    bench = make()
    for client, _ in [bench.relay() for _ in range(9)]:
        client.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert len(bench.lines()) == 9
