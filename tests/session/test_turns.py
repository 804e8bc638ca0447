"""What happens to one session within another one's event, or within a change of the servers."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.config import Check
from mailproxy.session.session import Session
from mailproxy.session.termination import BACKUP_LEFT, SERVER_DOWN, Ending
from mailproxy.transport.poller import WRITE
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

FRAGILE = {"check": Check(type="tcp"), "error_limit": 1, "on_error": "mark-down"}
"""A server that the first failed session takes down."""


def waiting(bench: Bench, count: int) -> list[Peer]:
    """Clients that wait for a place."""
    clients = [bench.client() for _ in range(count)]
    bench.settle()
    assert bench.pool.queued == count
    return clients


def letters(bench: Bench, clients: list[Peer]) -> list[object]:
    """Wait for the end of some clients' sessions, and return how they ended."""
    ports = [client.socket.getsockname()[1] for client in clients]
    bench.until(lambda: all(client.fin or client.reset for client in clients))
    for client in clients:
        if not client.reset:
            client.end()
    bench.settle()
    ended: dict[Any, object] = {str(line["client"]).split(":")[1]: line["termination"] for line in bench.lines()}
    return [ended[str(port)] for port in ports]


def end_sessions(bench: Bench, ending: Ending) -> None:
    """End sessions with their server, as ``on-marked-down`` and ``on-marked-up`` do."""

    def changed(change: Change[BackendServer]) -> None:
        if change.event in ("down", "maint"):
            for session in [session for session in bench.frontend.sessions if session.held_server is change.server]:
                session.shut_down(ending, "the server went down")

    bench.frontend.terms.backend.observers.append(changed)


# Turns.


def test_turns_may_end_in_a_relay_at_once(make: MakeBench) -> None:
    """With ``tcp`` there is no greeting to wait for, and a local connect completes at once."""
    bench = make(protocol="tcp", send_proxy="v1", each={"maxconn": 1}, queue=60.0)
    first = bench.client()
    server = bench.server.accept()
    second, third = waiting(bench, 2)
    for leaving, next_one in ((first, second), (second, third)):
        leaving.break_off()
        bench.until(lambda server=server: server.fin or server.reset)  # type: ignore[misc]  # mypy cannot infer it
        server = bench.server.accept()
        next_one.send(b"hello")
        bench.until(lambda server=server: server.data.endswith(b"\r\nhello"))  # type: ignore[misc]  # the same


def test_client_that_is_gone_when_its_turn_ends_in_a_relay_passes_the_place_on(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make(protocol="tcp", send_proxy="v1", each={"maxconn": 1}, queue=60.0)
    bench.client()
    bench.server.accept()
    (first,) = bench.frontend.sessions
    waiting(bench, 50)
    dialled = Session.dialled

    def ends(session: Session, *arguments: Any) -> None:
        dialled(session, *arguments)
        session.stream_failed(session.client, "Broken pipe")

    monkeypatch.setattr(Session, "dialled", ends)
    first.abort()
    assert not bench.frontend.sessions
    assert bench.taken == [0]
    assert {line["termination"] for line in bench.lines()} == {"KD", "CD"}


def test_many_turns_in_a_row_are_no_recursion(make: MakeBench) -> None:
    bench = make(send_proxy="v1", each={"maxconn": 1}, queue=60.0, backend={"retries": 0})
    first, _ = bench.relay()
    clients = waiting(bench, 400)
    bench.server.refuse()
    first.break_off()
    assert set(letters(bench, clients)) == {"SC"}
    assert bench.taken == [0]


def test_many_turns_that_go_round_are_no_recursion(make: MakeBench) -> None:
    """Each of them fails with every server, within the end of the one that made room."""
    bench = make(servers=20, send_proxy="v1", each={"maxconn": 1}, queue=60.0, backend={"retries": 40})
    relays = []
    for server in bench.servers:
        client = bench.client()
        server.accept(GREETING)
        bench.until(lambda client=client: client.data)  # type: ignore[misc]  # mypy cannot infer it
        relays.append(client)
    clients = waiting(bench, 60)
    for server in bench.servers:
        server.refuse()
    for client in relays:
        client.break_off()
    bench.settle()
    bench.advance(60)
    assert set(letters(bench, clients)) <= {"SC", "sQ"}
    assert not any(bench.taken)


# Batches of events.


def test_all_clients_of_a_batch_are_accepted_before_a_server_is_dialled(make: MakeBench) -> None:
    bench = make()
    client, _ = bench.relay()
    sessions: list[int] = []

    def make_socket(family: int, kind: int) -> socket.SocketType:
        sessions.append(len(bench.frontend.sessions))
        return socket.SocketType(family, kind)

    bench.dials_with(make_socket)
    client.send(b"a NOOP\r\n")
    for _ in range(2):
        bench.client()
    bench.poller.poll(5)
    assert sessions == [3, 3]


def test_session_that_ends_in_the_batch_of_its_accept_dials_nobody(make: MakeBench) -> None:
    bench = make()
    bench.client()
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def end_all(events: int) -> None:
            bench.poller.remove(ours.fileno())
            bench.poller.pause(ours.fileno())
            for session in list(bench.frontend.sessions):
                session.abort()

        bench.poller.add(ours.fileno(), end_all, WRITE)
        bench.poller.poll(5)
    assert not bench.server.is_asked
    assert [line["termination"] for line in bench.lines()] == ["KR"]


# Changes.


def test_error_that_takes_the_last_server_down_ends_every_wait(make: MakeBench) -> None:
    bench = make(each={"maxconn": 1, **FRAGILE}, queue=60.0)
    failing = bench.client()
    server = bench.server.accept()
    clients = waiting(bench, 20)
    server.end()
    # The place that the failed attempt gives back is the next one's, who fails as well.
    bench.server.refuse()
    bench.advance(6)
    assert letters(bench, clients[1:]) == ["SQ"] * 19
    assert letters(bench, [failing]) == ["SC"]


def test_error_that_takes_a_server_down_leads_on_to_the_next(make: MakeBench) -> None:
    bench = make(servers=2, each=FRAGILE)
    client = bench.client()
    bench.servers[0].accept().end()
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    assert not bench.pool.servers[0].is_up


def test_sessions_of_a_server_that_an_error_takes_down_end_with_it(make: MakeBench) -> None:
    bench = make(servers=2, each=FRAGILE)
    end_sessions(bench, SERVER_DOWN)
    first, _ = bench.relay()
    second = bench.client()
    bench.servers[0].accept().end()
    assert letters(bench, [first]) == ["DD"]
    bench.servers[1].accept(GREETING)
    bench.until(lambda: second.data == GREETING)
    assert bench.taken == [0, 1]


def test_sessions_that_end_with_their_server_take_those_who_wait_along(make: MakeBench) -> None:
    bench = make(each={"maxconn": 2, **FRAGILE}, queue=60.0)
    end_sessions(bench, SERVER_DOWN)
    relays = [bench.relay()[0] for _ in range(2)]
    clients = waiting(bench, 5)
    bench.pool.set_state(bench.pool.servers[0], "maint", bench.poller.now)
    assert letters(bench, clients) == ["SQ"] * 5
    assert letters(bench, relays) == ["DD", "DD"]
    assert not bench.server.is_asked


def test_sessions_that_end_with_their_backup_make_no_room_on_it(make: MakeBench) -> None:
    bench = make(servers=2, each={"maxconn": 1}, queue=60.0)
    main, backup = bench.pool.servers
    bench.pool.set_state(main, "maint", bench.poller.now)
    bench.pool.set_backup(backup, True, bench.poller.now)
    client = bench.client()
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    (after,) = waiting(bench, 1)

    def changed(change: Change[BackendServer]) -> None:
        if change.event == "ready":
            for session in [session for session in bench.frontend.sessions if session.held_server is backup]:
                session.shut_down(BACKUP_LEFT, "a server came back")

    bench.frontend.terms.backend.observers.append(changed)
    bench.pool.set_state(main, "ready", bench.poller.now)
    bench.servers[0].accept(GREETING)
    bench.until(lambda: after.data == GREETING)
    assert letters(bench, [client]) == ["UD"]
    assert not bench.servers[1].is_asked


def test_shutting_everybody_down_serves_nobody_for_good(make: MakeBench) -> None:
    """The sessions that end first free places for those that end next."""
    bench = make(each={"maxconn": 1}, queue=60.0)
    bench.relay()
    waiting(bench, 10)
    for session in sorted(bench.frontend.sessions, key=lambda session: session.number):
        session.shut_down()
    assert bench.taken == [0]
    assert bench.pool.queued == 0
