"""The service, from its start to its end."""

from __future__ import annotations

import os
import re
import resource
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import formatEvent

from mailproxy import __version__
from mailproxy.config import Admin, ConfigError, Frontend, FrontendTimeouts, InetBind, UnixBind
from mailproxy.front.descriptors import SPARE_DESCRIPTORS
from mailproxy.front.prepare import prepare
from mailproxy.front.sockets import StartError
from mailproxy.service import ProxyService
from mailproxy.session.relay import QUIET_SECONDS
from mailproxy.web import late_server
from tests.running import ANY_PORT, LOOPBACK, Make, Running, configuration, making
from tests.tls.issue import issue
from tests.tls.servers import NAME


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with making(tmp_path) as make:
        yield make


@pytest.fixture
def running(make: Make) -> Running:
    made = make()
    made.start()
    return made


# The start.


@pytest.mark.parametrize("tls", [False, True])
def test_clients_are_served(make: Make, tls: bool) -> None:
    running = make(tls="implicit" if tls else "none")
    running.start()
    running.relay(tls=tls)


def test_every_kind_of_socket_is_listened_on(make: Make, tmp_path: Path) -> None:
    unix = str(tmp_path / "front.sock")
    running = make(bind=(ANY_PORT, InetBind(ip_address("::1"), 0), UnixBind(unix)))
    running.start()
    for number in range(3):
        running.relay(number)


def test_start_says_what_listens_where(make: Make, tmp_path: Path) -> None:
    unix = str(tmp_path / "front.sock")
    running = make(bind=(ANY_PORT, UnixBind(unix)))
    running.start()
    (event,) = running.logged("listening")
    assert event["frontend"] == "front"
    port = running.listening[0].getsockname()[1]
    assert event["where"] == f"127.0.0.1:{port}, {unix}"


def test_first_line_introduces_the_process_and_the_last_says_ready(make: Make) -> None:
    running = make(maxconn=77)
    running.start()
    kinds = [event["event"] for event in running.events if "event" in event]
    assert (kinds[0], kinds[-1]) == ("start", "ready")
    (start,) = running.logged("start")
    assert (start["version"], start["pid"], start["maxconn"]) == (__version__, os.getpid(), 77)
    assert start["descriptors"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert re.fullmatch(
        rf"mailproxy {__version__} starts: pid \d+, Python 3\.\d+\.\S+( \(slow: .*\))?, OpenSSL \d.*, "
        r"configuration /.*/the configuration, maxconn 77, \d+ descriptors",
        formatEvent(start),
    )


@pytest.mark.parametrize(("clients", "words"), [(1, "1 session"), (2, "2 sessions")])
def test_stop_says_how_many_sessions_are_left(running: Running, clients: int, words: str) -> None:
    for _ in range(clients):
        running.relay()
    running.stop()
    (event,) = running.logged("stopping")
    assert formatEvent(event) == f"stopping, with up to 10 s for {words}"
    assert event["sessions"] == clients


def test_nobody_is_accepted_before_the_start(make: Make) -> None:
    running = make()
    running.service.bind()
    running.client()
    running.advance(1)
    assert not running.service.frontends[0].sessions


def test_socket_in_use_is_an_error_that_names_the_key(running: Running, make: Make) -> None:
    port = running.listening[0].getsockname()[1]
    second = make(bind=(InetBind(LOOPBACK, port),))
    with pytest.raises(StartError, match=rf"^frontend\.front\.bind: cannot listen on 127\.0\.0\.1:{port}: Address"):
        second.service.bind()


def test_every_socket_that_cannot_be_is_named_and_none_stays_open(make: Make, tmp_path: Path) -> None:
    good = tmp_path / "good.sock"
    bind = (UnixBind(str(good)), UnixBind(str(tmp_path / "no" / "a.sock")), UnixBind(str(tmp_path / "no" / "b.sock")))
    running = make(bind=bind)
    with pytest.raises(StartError) as caught:
        running.service.bind()
    assert [line.rpartition(": ")[2] for line in str(caught.value).splitlines()] == ["No such file or directory"] * 2
    assert not good.exists()


def test_path_that_is_too_long_is_an_error_like_any_other(make: Make, tmp_path: Path) -> None:
    running = make(bind=(UnixBind("/" + 200 * "x"),))
    with pytest.raises(StartError, match="AF_UNIX path too long"):
        running.service.bind()


def test_unreadable_certificate_is_an_error(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"tls\.default\.certificates: /nowhere\.pem: does not exist"):
        make(profile={"certificates": ("/nowhere.pem",)})


def test_bad_ciphers_are_an_error(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"tls\.default\.ciphers: has \"no\", which"):
        make(tls="implicit", profile={"ciphers": "no such cipher"})


def test_expired_certificate_is_a_warning(make: Make, tmp_path: Path) -> None:
    (tmp_path / "old.pem").write_bytes(issue(NAME, days=-2).pem)
    (tmp_path / "old.pem").chmod(0o600)
    running = make(tls="implicit", profile={"certificates": (str(tmp_path / "old.pem"),)})
    running.start()
    (event,) = running.logged("warning")
    assert "old.pem: expired" in event["warning"]


def test_setting_without_effect_is_a_warning_at_the_start(make: Make) -> None:
    running = make(tls="none")
    running.start()
    assert [event["warning"] for event in running.logged("warning")] == ["tls.default: is not used by any frontend"]


def test_http_that_cannot_begin_is_in_the_log(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(late_server, "import_module", unreadable)
    running = make(admin=Admin(http=ANY_PORT))
    running.start()
    running.until(lambda: running.reactor.has_turned)
    (event,) = (one for one in running.events if "log_failure" in one)
    assert formatEvent(event) == "HTTP for administrators does not work"
    running.stop()
    assert running.has_stopped


def test_frontends_share_the_bound_of_the_process(make: Make) -> None:
    frontends = tuple(
        Frontend(name=name, bind=(ANY_PORT,), protocol="imap", tls="none", backend="dovecot") for name in ("a", "b")
    )
    running = make(frontends=frontends, maxconn=1)
    running.start()
    running.relay(0)
    running.client(1)
    running.advance(1)
    assert not running.service.frontends[1].sessions


def test_descriptors_bound_the_number_of_sessions(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: raised.append(limits))
    running = make()
    assert raised == [(4096, 4096)]
    assert running.process_state.total.maximum == (4096 - SPARE_DESCRIPTORS - 1) // 2


def test_limit_on_open_files_is_raised_for_a_maxconn_of_the_configuration(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: raised.append(limits))
    running = make(maxconn=2000)
    assert raised == [(4096, 4096)]
    assert running.process_state.total.maximum == 2000


# The end.


def test_stop_without_sessions_is_immediate(running: Running) -> None:
    assert running.stop().called
    (event,) = running.logged("closed")
    assert formatEvent(event) == "frontend front is closed: no connections"


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
    for _ in range(12):
        client.send(b"x")
        running.advance(0.25)
        if running.has_stopped:
            break
    running.advance(0.1)
    assert running.has_stopped
    assert not running.service.frontends[0].sessions


def test_stop_that_is_to_be_now_waits_no_longer(running: Running) -> None:
    client, _ = running.relay()
    running.stop()
    client.send(b"x")
    running.advance(0.3)
    assert not running.has_stopped
    running.service.stop_now()
    running.advance(0.05)
    assert running.has_stopped
    assert not running.service.frontends[0].sessions


def test_stop_that_is_to_be_now_before_it_begins_waits_for_nobody(running: Running) -> None:
    running.relay()
    running.service.stop_now()
    assert running.stop().called


def test_stop_may_be_hurried_when_it_is_over(running: Running) -> None:
    running.stop()
    running.service.stop_now()
    assert running.has_stopped


def test_sessions_that_ended_last_are_logged_before_the_end(make: Make) -> None:
    running = make(hard_stop_after=0.0)
    running.start()
    running.relay()
    assert running.stop().called
    assert [event["termination"] for event in running.logged("session")] == ["KD"]
    (closed,) = running.logged("closed")
    assert formatEvent(closed) == "frontend front is closed: 1 connection, 1 session"
    assert (closed["connections"], closed["sessions"], closed["no_server"]) == (1, 1, 0)


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


# The end, gently.


@pytest.fixture
def gentle(make: Make) -> Running:
    """A service with a time of its own for each part of the stop."""
    running = make(drain_delay=5.0, drain_timeout=60.0, drain_spread=20.0, hard_stop_after=3.0)
    running.start()
    return running


def test_clients_are_accepted_until_balancers_know(gentle: Running) -> None:
    assert gentle.service.is_ready
    gentle.stop()
    assert not gentle.service.is_ready
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
    for _ in range(90):
        client.send(b"x")
        gentle.advance(0.25)
    assert not gentle.has_stopped
    for _ in range(3):
        client.send(b"x")
        gentle.advance(0.25)
    assert gentle.has_stopped


@pytest.mark.parametrize("seconds", [1.0, 20.0, 70.0])
def test_second_signal_ends_all_at_once_whatever_is_waited_for(gentle: Running, seconds: float) -> None:
    client, _ = gentle.relay()
    gentle.stop()
    for _ in range(int(seconds * 2)):
        client.send(b"x")
        gentle.advance(0.5)
    assert not gentle.has_stopped
    gentle.service.stop_now()
    gentle.advance(0.05)
    assert gentle.has_stopped


def test_drain_has_times_of_its_own(gentle: Running) -> None:
    stops: list[None] = []
    gentle.reactor.stop = lambda: stops.append(None)
    gentle.relay()
    drained = gentle.service.drain(delay=0.0, timeout=7.0)
    assert not gentle.service.is_ready
    gentle.reactor.advance(0)
    assert stops == [None]
    gentle.stop()
    (event,) = gentle.logged("stopping")
    assert event["seconds"] == 7 + 20 + 3
    assert not drained.called
    again = gentle.service.drain(timeout=1.0)
    gentle.advance(30)
    assert gentle.has_stopped
    assert drained.called
    assert again.called


# Inside another reactor.


def test_other_reactors_poll_the_poller_while_it_runs(tmp_path: Path) -> None:
    reactor = MemoryReactorClock()
    proxy = ProxyService(prepare(configuration(tmp_path, 1)), reactor)
    proxy.bind()
    assert reactor.getReaders() == []
    proxy.startService()
    (poller,) = reactor.getReaders()
    descriptor = poller.fileno()
    assert proxy.stopService().called
    assert reactor.getReaders() == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
