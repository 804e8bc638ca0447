"""When sessions are logged, at which level, and which of them are not."""

from __future__ import annotations

import time
from functools import partial
from ipaddress import ip_network

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel

from mailproxy.session.log import DELAY_SECONDS, MAX_WAITING, SessionLog
from mailproxy.session.sampling import INTERVAL_SECONDS, LINES_PER_SOURCE, Sampler
from mailproxy.session.termination import ENDED
from tests.session.bench import Bench
from tests.session.conftest import MakeBench
from tests.tls.servers import NAME

# How severe it is.


def level(bench: Bench) -> LogLevel:
    return bench.over()["log_level"]  # type: ignore[no-any-return]  # an event's fields are of any type


def test_session_is_information(make: MakeBench) -> None:
    bench = make()
    bench.relay()
    bench.end()
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


@pytest.mark.parametrize("sent", [b"a login\r\n", b"PROXY TCP4 192.0.2.1\r\n"])
def test_header_that_is_refused_is_a_warning(make: MakeBench, sent: bytes) -> None:
    bench = make(accept_proxy=(ip_network("127.0.0.0/8"),))
    client = bench.client()
    client.send(sent)
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
    for _ in range(MAX_WAITING - 1):
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
    seen: list[LogEvent] = []
    bench.loop.log.watchers.append(seen.append)
    client, _ = bench.relay()
    bench.clock.advance(DELAY_SECONDS)
    (event,) = seen
    assert event["event"] == "session-begin"
    assert event["client"] == "{}:{}".format(*client.socket.getsockname())
    assert (event["server"], event["sni"], event["connect_ms"]) == ("d1", NAME, 0)
    assert {"bytes_in", "total_ms", "termination"} & event.keys() == set()
    assert [event for event in bench.events if event.get("event") == "session-begin"] == []


def test_session_that_ends_at_once_begins_first(make: MakeBench) -> None:
    bench = make()
    known: list[int] = []

    def seen(event: LogEvent) -> None:
        known.append(sum(event.get("event") == "session" for event in bench.events))

    bench.loop.log.watchers.append(seen)
    bench.relay()
    bench.end()
    bench.over()
    assert known == [0]


def test_time_of_a_begin_is_not_that_of_the_look_at_it(make: MakeBench) -> None:
    bench = make()
    seen: list[LogEvent] = []
    bench.loop.log.watchers.append(seen.append)
    bench.relay()
    bench.clock.advance(3600)
    assert seen[0]["log_time"] == pytest.approx(time.time() - 3600, abs=60)


# Floods.


def flood(bench: Bench) -> None:
    """Be nine clients that speak no TLS."""
    clients = [bench.client() for _ in range(9)]
    for client in clients:
        client.send(b"this is not TLS\r\n")
    bench.until(lambda: bench.frontend.counters.handshake_errors == 9)
    for client in clients:
        client.break_off()
    bench.until(lambda: not bench.frontend.sessions)


def test_flood_of_clients_that_get_no_server_has_few_lines_and_a_sum(make: MakeBench) -> None:
    bench = make(tls=True)
    flood(bench)
    assert len(bench.lines()) == LINES_PER_SOURCE
    bench.clock.advance(INTERVAL_SECONDS)
    (event,) = (event for event in bench.events if event.get("event") == "refusals")
    assert (event["frontend"], event["count"], event["sources"]) == ("front", 9 - LINES_PER_SOURCE, 1)
    assert event["reason"] == "the client's bytes are not TLS, or its TLS does not match ours"


def test_process_that_stops_in_a_flood_writes_the_last_lines_and_the_sum(make: MakeBench) -> None:
    bench = make(tls=True)
    flood(bench)
    bench.loop.stop()
    found = [(event["event"], event.get("count")) for event in bench.events if "event" in event]
    assert found == [("session", None)] * LINES_PER_SOURCE + [("refusals", 9 - LINES_PER_SOURCE)]


def test_every_session_that_we_end_before_it_has_a_server_has_its_line(make: MakeBench) -> None:
    bench = make(tls=True)
    clients = [bench.client() for _ in range(9)]
    bench.until(lambda: len(bench.frontend.sessions) == 9)
    for session in tuple(bench.frontend.sessions):
        session.shut_down(ENDED, "ended by hand")
    for client in clients:
        client.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert len(bench.lines()) == 9


def test_every_session_with_a_server_has_its_line(make: MakeBench) -> None:
    bench = make()
    for client, _ in [bench.relay() for _ in range(9)]:
        client.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert len(bench.lines()) == 9
