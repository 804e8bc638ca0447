"""Places on servers: one is taken for each attempt, and given back however that ends."""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Callable

import pytest

from mailproxy.config import ServerTls
from mailproxy.session.dial import TURNAROUND_SECONDS
from mailproxy.session.termination import SERVER_DOWN
from mailproxy.transport.plain import PlainStream
from mailproxy.transport.stream import Stream
from tests.session.bench import GREETING, Bench, BuggySocket
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

CONNECT = 5.0


def begun(bench: Bench) -> tuple[Peer, Peer]:
    """A client that waits for the greeting of a server."""
    client = bench.client()
    server = bench.server.accept()
    bench.settle()
    return client, server


# Taken.


def test_place_is_taken_before_the_server_has_greeted(make: MakeBench) -> None:
    bench = make()
    begun(bench)
    assert bench.taken == [1]


def test_place_is_kept_while_the_session_lives(make: MakeBench) -> None:
    bench = make()
    bench.relay()
    bench.relay()
    assert bench.taken == [2]


def test_place_is_kept_while_one_side_still_speaks(make: MakeBench) -> None:
    bench = make()
    client, server = bench.relay()
    client.end()
    bench.until(lambda: server.fin)
    assert bench.taken == [1]


def test_place_is_kept_in_the_pause_before_the_same_server(make: MakeBench) -> None:
    """Or it would be gone when the pause is over."""
    bench = make(backend={"retries": 1})
    bench.server.refuse()
    bench.client()
    bench.settle()
    assert bench.taken == [1]


def test_place_moves_on_with_the_next_attempt(make: MakeBench) -> None:
    bench = make(servers=2)
    bench.servers[0].refuse()
    bench.client()
    bench.servers[1].accept()
    assert bench.taken == [0, 1]


def test_client_that_has_not_asked_for_a_server_takes_no_place(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.client()
    bench.settle()
    assert bench.taken == [0]


# Given back by an attempt that failed.


def refused_connection(bench: Bench) -> None:
    bench.server.refuse()
    bench.client()


def end_before_the_greeting(bench: Bench) -> None:
    begun(bench)[1].end()


def reset_before_the_greeting(bench: Bench) -> None:
    begun(bench)[1].break_off()


def refusal_for_a_greeting(bench: Bench) -> None:
    begun(bench)[1].send(b"* BYE not now\r\n")


def silence_for_a_greeting(bench: Bench) -> None:
    begun(bench)
    bench.advance(CONNECT + 0.25)


def silence_for_a_connection(bench: Bench) -> None:
    bench.server.socket.listen(0)
    with socket.create_connection(bench.server.socket.getsockname()):
        bench.client()
        bench.advance(CONNECT + 0.25)


@pytest.mark.parametrize(
    "fail",
    [
        refused_connection,
        end_before_the_greeting,
        reset_before_the_greeting,
        refusal_for_a_greeting,
        silence_for_a_greeting,
        silence_for_a_connection,
    ],
)
def test_failed_attempt_gives_its_place_back(make: MakeBench, fail: Callable[[Bench], object]) -> None:
    bench = make(backend={"retries": 0}, connect=CONNECT)
    fail(bench)
    bench.until(lambda: bench.frontend.counters.no_server + bench.frontend.counters.refused)
    assert bench.taken == [0]


def test_failed_handshake_gives_its_place_back(make: MakeBench) -> None:
    bench = make(server_tls=ServerTls(), backend={"retries": 0})
    bench.client()
    bench.server.accept()
    bench.until(lambda: bench.frontend.counters.no_server + bench.frontend.counters.refused)
    assert bench.taken == [0]


def test_lack_of_descriptors_takes_no_place(make: MakeBench) -> None:
    bench = make()

    def scarce(family: int, kind: int) -> socket.SocketType:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    bench.dials_with(scarce)
    client = bench.client()
    bench.until(lambda: client.fin)
    assert bench.taken == [0]


# Given back by a session that ends.


def client_breaks_off(bench: Bench) -> None:
    begun(bench)[0].break_off()


def client_ends(bench: Bench) -> None:
    begun(bench)[0].end()


def client_breaks_off_in_the_pause(bench: Bench) -> None:
    bench.server.refuse()
    client = bench.client()
    bench.advance(TURNAROUND_SECONDS / 2)
    client.break_off()


def shut_down_while_dialling(bench: Bench) -> None:
    begun(bench)
    bench.session.shut_down()


def shut_down_in_the_pause(bench: Bench) -> None:
    bench.server.refuse()
    bench.client()
    bench.session.shut_down()


def abort_while_dialling(bench: Bench) -> None:
    begun(bench)
    bench.session.abort()


def both_end(bench: Bench) -> None:
    client, server = bench.relay()
    client.end()
    server.end()


def client_resets(bench: Bench) -> None:
    bench.relay()[0].break_off()


def server_resets(bench: Bench) -> None:
    bench.relay()[1].break_off()


def nobody_speaks(bench: Bench) -> None:
    bench.relay()
    bench.advance(61)


def shut_down(bench: Bench) -> None:
    bench.relay()
    bench.session.shut_down(SERVER_DOWN, "the server went down")


def abort(bench: Bench) -> None:
    bench.relay()
    bench.session.abort()


@pytest.mark.parametrize(
    "end",
    [
        client_breaks_off,
        client_ends,
        client_breaks_off_in_the_pause,
        shut_down_while_dialling,
        shut_down_in_the_pause,
        abort_while_dialling,
        both_end,
        client_resets,
        server_resets,
        nobody_speaks,
        shut_down,
        abort,
    ],
)
def test_session_that_ends_gives_its_place_back(make: MakeBench, end: Callable[[Bench], object]) -> None:
    bench = make(timeout={"client": 60.0})
    end(bench)
    bench.until(lambda: not any(bench.taken))


def test_parting_session_has_no_place(make: MakeBench) -> None:
    """The client may take its time to close; the server is done with it."""
    bench = make()
    bench.relay()
    session = bench.session
    session.shut_down()
    assert not session.is_over
    assert bench.taken == [0]


def test_client_that_is_gone_when_the_greeting_comes_gives_the_place_back(
    make: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make()
    _, server = begun(bench)

    def put(stream: Stream, count: int) -> None:
        stream.fail("Broken pipe")

    monkeypatch.setattr(PlainStream, "put", put)
    server.send(GREETING)
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("CD", "Broken pipe")
    assert bench.taken == [0]


# Given back by bugs.


@pytest.mark.parametrize("stage", ["_on_connected", "_on_greeting", "succeeded", "dialled", "relay"])
def test_bug_gives_the_place_back(make: MakeBench, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    bench = make()
    bench.expects_bugs = True
    match stage:
        case "_on_connected":
            bench.dials_with(BuggySocket)
        case "_on_greeting":
            monkeypatch.delattr(PlainStream, "read_some")
        case "succeeded":
            monkeypatch.setattr(bench.frontend.terms.backend, "succeeded", None)
        case "dialled":
            monkeypatch.delattr(Stream, "watch")
        case "relay":
            monkeypatch.setattr(PlainStream, "pull", None)
    bench.client().send(b"a noop\r\n")
    bench.server.accept(GREETING)
    assert bench.over()["termination"][0] == "I"
    assert bench.bugs()
    assert bench.taken == [0]


def test_bug_in_a_deadline_gives_the_place_back(make: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make(backend={"retries": 0}, connect=CONNECT)
    bench.expects_bugs = True
    begun(bench)
    monkeypatch.setattr(bench.frontend.terms.backend, "failed", None)
    bench.advance(CONNECT + 0.25)
    assert bench.over()["termination"] == "IC"
    assert bench.taken == [0]


# Whatever happens.


class Chaos:
    """Clients and servers that do as they like; each server is in maintenance now and then."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.lot = random.Random(seed)
        self.clients: list[Peer] = []
        self.servers: list[Peer] = []

    def step(self) -> None:
        """Run one event."""
        what = self.lot.choice(
            [
                self.come,
                self.come,
                self.accept,
                self.accept,
                self.accept,
                self.accept,
                self.client_leaves,
                self.server_leaves,
                self.time_passes,
                self.end,
                self.change,
            ]
        )
        what()
        self.bench.settle()

    def come(self) -> None:
        client = self.bench.client()
        if self.lot.random() < 0.5:
            client.send(b"a noop\r\n")
        self.clients.append(client)

    def accept(self) -> None:
        words = self.lot.choice([b"", b"* BYE no\r\n", GREETING, GREETING, GREETING])
        try:
            sock, _ = self.lot.choice(self.bench.servers).socket.accept()
        except OSError:
            return
        server = Peer(sock)
        self.bench.peers.append(server)
        self.servers.append(server)
        server.send(words)

    def client_leaves(self) -> None:
        self.leave(self.clients)

    def server_leaves(self) -> None:
        self.leave(self.servers)

    def leave(self, peers: list[Peer]) -> None:
        if peers:
            peer = peers.pop(self.lot.randrange(len(peers)))
            if peer.reset:
                return
            if self.lot.random() < 0.5:
                peer.break_off()
            else:
                peer.close()

    def time_passes(self) -> None:
        self.bench.advance(self.lot.choice([0.25, 1.0, 2.0]))

    def end(self) -> None:
        sessions = sorted(self.bench.frontend.sessions, key=lambda session: session.number)
        if sessions:
            session = self.lot.choice(sessions)
            if self.lot.random() < 0.5:
                session.shut_down()
            else:
                session.abort()

    def change(self) -> None:
        pool = self.bench.pool
        server = self.lot.choice(pool.servers)
        now = self.bench.poller.look_at_clock()
        if server.effective_state == "ready":
            pool.set_state(server, "maint", now)
        else:
            pool.set_state(server, "ready", now)


@pytest.mark.parametrize("send_proxy", ["none", "v1"])
@pytest.mark.parametrize("balance", ["leastconn", "source"])
@pytest.mark.parametrize("seed", range(4))
def test_places_are_those_of_the_sessions_whatever_happens(
    make: MakeBench, seed: int, balance: str, send_proxy: str
) -> None:
    bench = make(
        servers=4,
        backend={"balance": balance, "maxqueue": 4},
        each={"maxconn": 2},
        connect=1.5,
        queue=2.0,
        send_proxy=send_proxy,
    )
    bench.servers[3].refuse()
    chaos = Chaos(bench, seed)
    for _ in range(80):
        chaos.step()
        assert all(0 <= taken <= 2 for taken in bench.taken)
        assert sum(bench.taken) + bench.pool.queued <= len(bench.frontend.sessions)
        assert bench.pool.queued <= 4
    for session in list(bench.frontend.sessions):
        session.abort()
    assert bench.taken == [0, 0, 0, 0]
    assert bench.pool.queued == 0
