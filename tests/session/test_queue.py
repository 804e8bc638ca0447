"""Clients that wait for a server with room."""

from __future__ import annotations

import socket

import pytest

from mailproxy.config import ServerTls
from mailproxy.mail.protocols import protocol_words
from mailproxy.mail.refusal import refusal
from mailproxy.session.dial import TURNAROUND_SECONDS
from mailproxy.session.session import Session
from tests.session.bench import GREETING, GREETINGS, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer, TlsPeer
from tests.transport.relay import is_ready

QUEUE = 20.0
ONE_PLACE = {"maxconn": 1}


@pytest.fixture(params=["clear", "tls", "tls-tls"])
def bench(request: pytest.FixtureRequest, make: MakeBench) -> Bench:
    """A frontend with one server, that takes one session at a time."""
    server_tls = ServerTls(verify="none") if request.param == "tls-tls" else None
    return make(tls=request.param != "clear", server_tls=server_tls, each=ONE_PLACE, queue=QUEUE)


def connected(bench: Bench) -> Peer:
    """Another client, after its handshake."""
    if bench.frontend.terms.tls is None:
        client = bench.client()
    else:
        client = secure = bench.tls_client()
        bench.until(lambda: secure.secured)
    bench.settle()
    return client


def waiting(bench: Bench) -> Peer:
    """One more client, that has to wait."""
    queued = bench.pool.queued
    client = connected(bench)
    assert bench.pool.queued == queued + 1
    return client


def parted(bench: Bench, client: Peer, server: Peer) -> dict[str, object]:
    """End a session, and return its log line."""
    client.end()
    server.end()
    return bench.over_one()


def last_of(bench: Bench) -> Session:
    """The session that began last."""
    return max(bench.frontend.sessions, key=lambda session: session.number)


# Waiting.


def test_client_without_a_place_gets_nothing_and_no_server_of_it(bench: Bench) -> None:
    bench.relay()
    client = waiting(bench)
    bench.advance(QUEUE - 1)
    assert client.data == b""
    assert not client.fin
    assert not bench.server.is_asked


def test_client_gets_the_place_of_one_who_leaves(bench: Bench) -> None:
    first, server = bench.relay()
    second = waiting(bench)
    parted(bench, first, server)
    bench.server.accept(GREETING)
    bench.until(lambda: second.data == GREETING)


def test_waiting_does_not_spin(bench: Bench) -> None:
    bench.relay()
    waiting(bench).send(b"a login\r\n")
    waiting(bench)
    bench.settle()
    assert not is_ready(bench.poller)


def test_turns_are_in_the_order_of_arrival(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE)
    current, server = bench.relay()
    for client in [waiting(bench) for _ in range(4)]:
        parted(bench, current, server)
        server = bench.server.accept(GREETING)
        bench.until(lambda client=client: client.data == GREETING)  # type: ignore[misc]  # mypy cannot infer defaults
        current = client


def test_what_the_client_says_meanwhile_reaches_the_server(bench: Bench) -> None:
    first, server = bench.relay()
    second = waiting(bench)
    second.send(b"a login ")
    bench.settle()
    second.send(b"alice secret\r\n")
    bench.settle()
    parted(bench, first, server)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data == b"a login alice secret\r\n")
    assert second.data == GREETING


def test_client_that_waited_is_logged_as_any_other(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE)
    first, server = bench.relay()
    second = waiting(bench)
    parted(bench, first, server)
    server = bench.server.accept(GREETING)
    bench.until(lambda: second.data == GREETING)
    line = parted(bench, second, server)
    assert (line["termination"], line["server"]) == ("--", "d1")
    assert "retries" not in line


def test_attempt_after_a_wait_has_a_deadline_of_its_own(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE, connect=5.0, backend={"retries": 0})
    first, server = bench.relay()
    second = waiting(bench)
    bench.advance(QUEUE - 1)
    parted(bench, first, server)
    bench.server.accept()
    bench.advance(4.5)
    assert not second.fin
    bench.advance(0.75)
    second.end()
    line = bench.over_one()
    assert (line["termination"], line["reason"].partition(";")[0]) == ("sC", "no greeting within 5 s")


def test_newcomer_does_not_overtake(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE)
    first, server = bench.relay()
    second = waiting(bench)
    first.end()
    server.end()
    third = bench.client()
    bench.server.accept(GREETING)
    bench.until(lambda: second.data == GREETING)
    assert third.data == b""


def test_place_of_a_client_that_is_only_parting_is_free(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE)
    bench.relay()
    session = bench.session
    second = waiting(bench)
    session.shut_down()
    bench.server.accept(GREETING)
    bench.until(lambda: second.data == GREETING)
    assert not session.is_over


def test_failed_attempt_waits_for_another_server_with_room(make: MakeBench) -> None:
    bench = make(servers=2, each=ONE_PLACE, queue=QUEUE, backend={"balance": "leastconn"})
    first, server = bench.relay()
    second = bench.client()
    bench.servers[1].accept().end()
    bench.until(lambda: bench.pool.queued)
    assert bench.taken == [1, 0]
    parted(bench, first, server)
    bench.servers[0].accept(GREETING)
    bench.until(lambda: second.data == GREETING)


# Too long.


@pytest.mark.parametrize("protocol", sorted(protocol_words()))
def test_client_that_waited_too_long_gets_its_protocol_s_words(make: MakeBench, protocol: str) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE, protocol=protocol)
    bench.client()
    bench.server.accept(GREETINGS[protocol])
    client = waiting(bench)
    bench.advance(QUEUE - 0.25)
    assert not client.fin
    bench.advance(0.5)
    assert client.fin
    assert client.data == refusal(protocol)
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["reason"]) == ("sQ", "no server had room within 20 s")
    assert "server" not in line


def test_client_waits_as_long_as_for_a_greeting_by_default(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, connect=3.0)
    bench.relay()
    client = waiting(bench)
    bench.advance(2.75)
    assert not client.fin
    bench.advance(0.5)
    client.end()
    assert bench.over_one()["termination"] == "sQ"


def test_client_that_waited_too_long_waits_no_more(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE)
    bench.relay()
    waiting(bench)
    bench.advance(QUEUE + 0.25)
    assert bench.pool.queued == 0


# Too many.


def test_client_that_finds_the_queue_full_is_answered_at_once(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE, backend={"maxqueue": 2})
    bench.relay()
    waiting(bench)
    waiting(bench)
    client = bench.client()
    bench.until(lambda: client.fin)
    assert client.data == refusal("imap")
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["reason"]) == ("PQ", "all servers are full, and the queue is full (2)")
    assert bench.pool.queued == 2


def test_failed_attempt_that_finds_the_queue_full_gets_the_reason(make: MakeBench) -> None:
    """The server that failed has room, but is not tried again while there is another."""
    bench = make(servers=2, each=ONE_PLACE, queue=QUEUE, backend={"maxqueue": 1})
    bench.relay()
    bench.client()
    bench.servers[1].accept().end()
    bench.until(lambda: bench.pool.queued)
    client = bench.client()
    bench.servers[1].accept().end()
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["server"]) == ("PQ", "d2")


def test_client_whose_own_server_is_full_gets_a_full_queue_as_the_reason(make: MakeBench) -> None:
    bench = make(servers=2, each=ONE_PLACE, queue=QUEUE, backend={"maxqueue": 1, "balance": "source"})
    bench.client()
    bench.settle()
    waiting(bench)
    client = bench.client()
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["reason"]) == ("PQ", "all servers are full, and the queue is full (1)")


# In vain.


@pytest.mark.parametrize("how", ["down", "maint", "drain", "no-address"])
def test_last_server_that_goes_ends_the_wait(bench: Bench, how: str) -> None:
    bench.relay()
    client = waiting(bench)
    pool = bench.pool
    (server,) = pool.servers
    now = bench.poller.look_at_clock()
    if how == "no-address":
        pool.set_target(server, None, now)
    elif how == "down":
        pool.set_weight(server, 0, now)
    else:
        pool.set_state(server, how, now)  # type: ignore[arg-type]  # one of the words
    bench.until(lambda: client.fin)
    assert client.data == refusal("imap")
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["reason"]) == ("SQ", "the last server went down")


def test_last_server_that_goes_leaves_the_sessions_that_it_has(bench: Bench) -> None:
    client, server = bench.relay()
    waiting(bench)
    bench.pool.set_state(bench.pool.servers[0], "drain", bench.poller.now)
    client.send(b"a noop\r\n")
    bench.until(lambda: server.data == b"a noop\r\n")


def test_client_that_lost_all_servers_after_an_attempt_names_the_last_one(make: MakeBench) -> None:
    bench = make(servers=2, each=ONE_PLACE, queue=QUEUE, backend={"balance": "leastconn"})
    bench.relay()
    client = bench.client()
    bench.servers[1].accept().end()
    bench.until(lambda: bench.pool.queued)
    for server in reversed(bench.pool.servers):
        bench.pool.set_state(server, "maint", bench.poller.now)
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["server"]) == ("SQ", "d2")


# Leaving.


def test_client_that_leaves_waits_no_more(bench: Bench) -> None:
    bench.relay()
    client = waiting(bench)
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["reason"]) == ("CQ", "connection closed by the client")
    assert bench.pool.queued == 0


def test_client_that_breaks_off_waits_no_more(bench: Bench) -> None:
    bench.relay()
    client = waiting(bench)
    client.break_off()
    assert bench.over_one()["termination"] == "CQ"
    assert bench.pool.queued == 0


def test_client_that_is_cut_off_within_tls_waits_no_more(make: MakeBench) -> None:
    bench = make(tls=True, each=ONE_PLACE, queue=QUEUE)
    bench.relay()
    client = waiting(bench)
    client.socket.shutdown(1)
    assert bench.over_one()["termination"] == "CQ"


def test_client_whose_goodbye_and_fin_come_apart_waits_no_more(make: MakeBench) -> None:
    bench = make(tls=True, each=ONE_PLACE, queue=QUEUE)
    bench.relay()
    client = waiting(bench)
    assert isinstance(client, TlsPeer)
    client.notify()
    bench.settle()
    client.socket.shutdown(1)
    assert bench.over_one()["termination"] == "CQ"


def test_client_that_spoke_and_breaks_off_waits_no_more(bench: Bench) -> None:
    bench.relay()
    client = waiting(bench)
    client.send(b"a login\r\n")
    bench.settle()
    client.break_off()
    assert bench.over_one()["termination"] == "CQ"


@pytest.mark.parametrize("at_once", [True, False])
def test_client_that_said_all_it_has_to_keeps_its_turn(bench: Bench, at_once: bool) -> None:
    first, server = bench.relay()
    second = waiting(bench)
    second.send(b"a logout\r\n")
    if not at_once:
        bench.settle()
    second.end()
    bench.settle()
    assert bench.pool.queued == 1
    parted(bench, first, server)
    server = bench.server.accept(GREETING)
    bench.until(lambda: server.data == b"a logout\r\n")
    bench.until(lambda: server.fin)
    server.send(b"* BYE\r\n")
    server.end()
    bench.until(lambda: second.data == GREETING + b"* BYE\r\n")
    bench.until(lambda: not bench.frontend.sessions)
    assert bench.lines()[-1]["termination"] == "--"


def test_client_that_said_all_and_ended_does_not_spin(bench: Bench) -> None:
    bench.relay()
    client = waiting(bench)
    client.send(b"a logout\r\n")
    client.end()
    bench.settle()
    assert not is_ready(bench.poller)


def test_who_leaves_keeps_nobody_waiting(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE)
    first, server = bench.relay()
    second = waiting(bench)
    third = waiting(bench)
    second.end()
    bench.over_one()
    parted(bench, first, server)
    bench.server.accept(GREETING)
    bench.until(lambda: third.data == GREETING)


def test_shut_down_ends_the_wait(bench: Bench) -> None:
    bench.relay()
    client = waiting(bench)
    last_of(bench).shut_down()
    assert bench.pool.queued == 0
    assert bench.lines()[-1]["termination"] == "KQ"
    bench.until(lambda: client.fin)
    assert client.data == refusal("imap")


def test_abort_ends_the_wait(bench: Bench) -> None:
    bench.relay()
    client = waiting(bench)
    last_of(bench).abort()
    assert bench.pool.queued == 0
    assert bench.lines()[-1]["termination"] == "KQ"
    bench.until(lambda: client.fin)


# One session's turn within another one's end.


def test_turn_of_a_server_that_refuses_leads_on_to_the_next(make: MakeBench) -> None:
    """With a header, a server on the same machine refuses before the previous client's connection is closed."""
    bench = make(each=ONE_PLACE, queue=QUEUE, send_proxy="v1", backend={"retries": 0})
    first, server = bench.relay()
    others = [waiting(bench) for _ in range(300)]
    bench.server.refuse()
    parted(bench, first, server)
    bench.until(lambda: all(client.fin for client in others))
    for client in others:
        client.end()
    bench.until(lambda: not bench.frontend.sessions)
    assert {line["termination"] for line in bench.lines()} == {"--", "SC"}


def test_failed_attempt_gives_its_place_to_who_waits(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE, backend={"retries": 1})
    first = bench.client()
    server = bench.server.accept()
    second = waiting(bench)
    server.end()
    bench.server.accept(GREETING)
    bench.until(lambda: second.data == GREETING)
    assert first.data == b""
    assert bench.pool.queued == 1


def test_attempt_that_may_be_made_again_waits_for_its_turn_like_others(make: MakeBench) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE, backend={"retries": 1})
    first = bench.client()
    server = bench.server.accept()
    second = waiting(bench)
    server.end()
    server = bench.server.accept(GREETING)
    bench.until(lambda: second.data == GREETING)
    parted(bench, second, server)
    bench.advance(TURNAROUND_SECONDS + 0.25)
    bench.server.accept(GREETING)
    bench.until(lambda: first.data == GREETING)


def no_socket(family: int, kind: int) -> socket.SocketType:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("turn", ["place", "vain"])
def test_bug_in_a_turn_ends_its_own_session_and_not_the_one_that_made_room(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch, turn: str
) -> None:
    bench = make(each=ONE_PLACE, queue=QUEUE)
    bench.expects_bugs = True
    first, server = bench.relay()
    second = waiting(bench)
    third = waiting(bench)
    with monkeypatch.context() as broken:
        if turn == "place":
            bench.dials_with(no_socket)
        else:
            broken.setattr(bench.frontend, "numbers", None)
            bench.pool.set_state(bench.pool.servers[0], "maint", bench.poller.now)
        first.end()
        server.end()
        bench.until(lambda: not bench.frontend.sessions)
    assert [line["termination"][0] for line in bench.lines() if line["id"].endswith(("-2", "-3"))] == ["I", "I"]
    assert [line["termination"] for line in bench.lines() if line["id"].endswith("-1")] == ["--"]
    assert len(bench.bugs()) == 2
    bench.until(lambda: (second.fin or second.reset) and (third.fin or third.reset))
    assert bench.taken == [0]
