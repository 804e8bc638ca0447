"""The service, from its start to its end."""

from __future__ import annotations

import os
import re
import resource
from ipaddress import ip_address
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import formatEvent

from mailproxy import __version__
from mailproxy.config import Admin, ConfigError, Frontend, InetBind, UnixBind
from mailproxy.front.descriptors import SPARE_DESCRIPTORS
from mailproxy.front.prepare import prepare
from mailproxy.front.sockets import StartError
from mailproxy.service import ProxyService
from mailproxy.web import late_server
from tests.running import ANY_PORT, LOOPBACK, Make, Running, configuration, make, running
from tests.tls.issue import issue
from tests.tls.servers import NAME

__all__ = ["make", "running"]


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


def test_sessions_that_ended_last_are_logged_before_the_end(make: Make) -> None:
    running = make(hard_stop_after=0.0)
    running.start()
    running.relay()
    assert running.stop().called
    assert [event["termination"] for event in running.logged("session")] == ["KD"]
    (closed,) = running.logged("closed")
    assert formatEvent(closed) == "frontend front is closed: 1 connection, 1 session"
    assert (closed["connections"], closed["sessions"], closed["no_server"]) == (1, 1, 0)


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
