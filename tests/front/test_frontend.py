"""One frontend: the clients that it accepts, their terms, and its end."""

from __future__ import annotations

from twisted.logger import LogEvent

from tests.session.bench import Bench
from tests.session.conftest import MakeBench


def events(bench: Bench, kind: str) -> list[LogEvent]:
    return [event for event in bench.events if event.get("event") == kind]


def test_accepted_client_is_counted_and_has_a_session(make: MakeBench) -> None:
    bench = make()
    bench.relay()
    assert len(bench.frontend.sessions) == bench.frontend.counters.connections == 1
    assert bench.session.terms is bench.frontend.terms


def test_stopped_frontend_accepts_nobody_and_its_sessions_continue(make: MakeBench) -> None:
    bench = make()
    client, server = bench.relay()
    bench.frontend.stop()
    bench.client()
    bench.settle()
    assert len(bench.frontend.sessions) == 1
    client.send(b"a NOOP\r\n")
    bench.until(lambda: server.data == b"a NOOP\r\n")


def test_stopped_frontend_is_not_paused_by_a_bound_any_more(make: MakeBench) -> None:
    """Its listeners are gone: a bound that still knew them would call them."""
    bench = make(maxconn=1)
    bench.frontend.stop()
    bench.capacity.resize(0)
    bench.capacity.resize(1)
    bench.client()
    bench.settle()
    assert not bench.frontend.sessions


def test_clients_in_the_kernels_queue_are_taken_before_the_sockets_close(make: MakeBench) -> None:
    bench = make()
    for _ in range(3):
        bench.client()
    bench.frontend.take_waiting()
    assert len(bench.frontend.sessions) == 3


def test_no_more_are_taken_than_a_bound_has_room_for(make: MakeBench) -> None:
    bench = make(maxconn=2)
    for _ in range(3):
        bench.client()
    bench.frontend.take_waiting()
    assert len(bench.frontend.sessions) == 2


def test_frontend_without_sessions_is_empty_at_once(make: MakeBench) -> None:
    bench, emptied = make(), []
    bench.frontend.retire(lambda: emptied.append(True))
    assert emptied == [True]


def test_retired_frontend_is_empty_with_its_last_session(make: MakeBench) -> None:
    bench = make()
    emptied: list[bool] = []
    first, _ = bench.relay()
    second, _ = bench.relay()
    bench.frontend.retire(lambda: emptied.append(True))
    first.break_off()
    bench.over_one()
    assert emptied == []
    second.break_off()
    bench.over_one()
    assert emptied == [True]


def test_what_is_learnt_is_for_later_clients(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls")
    early = bench.client()
    bench.until(lambda: early.data)
    terms = bench.session.terms
    bench.frontend.learn((b"IMAP4rev1", b"X-NEW"))
    assert bench.session.terms is terms
    late = bench.client()
    bench.until(lambda: late.data)
    assert b"X-NEW" not in early.data
    assert b"X-NEW" in late.data


def test_tls_that_is_not_passed_on_is_reported_once(make: MakeBench) -> None:
    bench = make()
    for _ in range(2):
        bench.frontend.dropped_ssl(bench.frontend.terms.backend)
    (event,) = events(bench, "dropped-ssl")
    assert (event["frontend"], event["backend"]) == ("front", "dovecot")
