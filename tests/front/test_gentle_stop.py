"""The stop as sessions see it: who may continue, and for how long."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mailproxy.config import FrontendTimeouts, UnixBind
from mailproxy.session.relay import QUIET_SECONDS
from tests.running import Make, Running, gentle, make, running

__all__ = ["gentle", "make", "running"]


def test_stop_refuses_new_clients(running: Running) -> None:
    address = running.listening[0].getsockname()
    running.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_quiet_session_ends_at_once(running: Running) -> None:
    client, server = running.relay()
    running.advance(QUIET_SECONDS)
    running.stop()
    running.until(lambda: client.fin)
    assert not running.has_stopped
    client.end()
    running.until(lambda: server.fin or server.reset)
    running.advance(0.2)
    assert running.has_stopped


def test_session_that_has_not_got_to_a_server_ends_at_once(running: Running) -> None:
    client = running.client()
    running.until(lambda: running.service.frontends[0].sessions)
    running.stop()
    running.until(lambda: client.fin)


def test_busy_session_ends_when_it_pauses(running: Running) -> None:
    client, server = running.relay()
    running.stop()
    for _ in range(10):
        client.send(b"x")
        running.advance(0.3)
    assert len(server.data) == 10
    running.advance(QUIET_SECONDS + 0.2)
    assert client.fin


def test_session_that_stays_busy_is_ended_in_the_end(make: Make) -> None:
    running = make(hard_stop_after=3.0)
    running.start()
    client, _ = running.relay()
    running.stop()
    running.stay_busy(client, 3.0)
    running.advance(0.1)
    assert running.has_stopped
    assert not running.service.frontends[0].sessions


def test_goodbye_has_its_time_however_long_nothing_happened(make: Make) -> None:
    """Inside another reactor, the poller's clock stands still while nothing happens."""
    running = make(timeout=FrontendTimeouts(close=5.0))
    running.start()
    client, _ = running.relay()
    running.reactor.advance(5)
    running.reactor.advance(50)
    running.stop()
    running.advance(4)
    assert client.fin
    assert running.service.frontends[0].sessions


def test_unix_sockets_are_removed(make: Make, tmp_path: Path) -> None:
    running = make(bind=(UnixBind(str(tmp_path / "front.sock")),))
    running.start()
    running.stop()
    assert not (tmp_path / "front.sock").exists()


# Gently.


def test_clients_are_accepted_until_balancers_know(gentle: Running) -> None:
    assert not gentle.service.stop.has_begun
    gentle.stop()
    assert gentle.service.stop.has_begun
    (event,) = gentle.logged("stopping")
    assert event["seconds"] == 88
    gentle.relay()
    address = gentle.listening[0].getsockname()
    gentle.advance(5.1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_sessions_may_end_by_themselves(gentle: Running) -> None:
    client, _ = gentle.relay()
    gentle.stop()
    gentle.advance(60)
    assert not client.fin
    client.break_off()
    gentle.advance(0.3)
    assert gentle.has_stopped
    assert [event["termination"] for event in gentle.logged("session")] == ["CD"]


@pytest.mark.parametrize("sessions", [0, 2])
def test_who_is_waited_for_is_in_the_log_if_there_is_somebody(gentle: Running, sessions: int) -> None:
    for _ in range(sessions):
        gentle.relay()
    gentle.stop()
    gentle.advance(5.1)
    assert [event["sessions"] for event in gentle.logged("draining") if "sessions" in event] == [sessions][:sessions]


def test_clients_in_the_queue_are_served_before_it_closes(gentle: Running) -> None:
    gentle.stop()
    clients = [gentle.client() for _ in range(20)]
    gentle.reactor.advance(5.0)
    assert len(gentle.service.frontends[0].sessions) == len(clients)


def test_checks_continue_as_long_as_sessions_may_want_a_server(gentle: Running) -> None:
    gentle.relay()
    gentle.stop()
    pool = gentle.service.frontends[0].terms.backend.pool
    gentle.advance(30)
    pool.set_state(pool.servers[0], "maint", 1.0, "by hand")
    assert gentle.logged("server")


def test_goodbyes_are_spread(gentle: Running) -> None:
    clients = [gentle.relay()[0] for _ in range(10)]
    gentle.stop()
    gentle.advance(5.0 + 60.0)
    gone = []
    for _ in range(4):
        gentle.advance(5.0)
        gone.append(sum(client.fin for client in clients))
    assert gone[0] < gone[1] < gone[2] < gone[3] == 10
    assert 2 <= gone[0] <= 4


def test_busy_session_has_its_time_behind_the_spread(gentle: Running) -> None:
    client, _ = gentle.relay()
    gentle.stop()
    gentle.advance(5.0 + 60.0)
    gentle.stay_busy(client, 22.5)
    assert not gentle.has_stopped
    gentle.stay_busy(client, 0.75)
    assert gentle.has_stopped
