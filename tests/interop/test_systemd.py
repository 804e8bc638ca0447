"""A service of systemd, which a stand-in plays: what it is handed, and what it tells."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line, secure
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import launch, single
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.systemd import Systemd
from tests.interop.waiting import until

WAITING = 50


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


@pytest.fixture
def systemd(folder: Path) -> Iterator[Systemd]:
    with Systemd(folder) as manager:
        yield manager


def bound(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """A socket as a socket unit has it."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in host:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((host, port))
    return sock


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_gets_a_message_when_the_service_is_ready_reloads_and_stops(
    front: StartFront, pki: Certificates, folder: Path, backend: Recorder, is_abstract: bool
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    with Systemd(folder, is_abstract=is_abstract) as systemd:
        running = systemd.start(front, configuration)
        assert systemd.values("STATUS") == ["0 sessions, 1 of 1 server up"]

        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        running.reload()
        until(lambda: systemd.count("READY=1") == 2, "the end of a reload")
        (reloaded_at,) = map(int, systemd.values("MONOTONIC_USEC"))
        assert before <= reloaded_at <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert [message[0] for message in systemd.messages[-2:]] == ["RELOADING=1", "READY=1"]

        running.file.write_text("no configuration")
        running.process.send(signal.SIGHUP)
        until(lambda: systemd.count("READY=1") == 3, "the end of a reload that is refused")
        running.event(event="reload-refused")

        running.terminate()
        running.wait()
        until(lambda: systemd.count("STOPPING=1") == 1, "STOPPING=1")
        assert "EXTEND_TIMEOUT_USEC=20000000" in systemd.messages[-1]


def test_status_reports_sessions(front: StartFront, pki: Certificates, systemd: Systemd, backend: Recorder) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    systemd.start(front, configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        until(lambda: "1 session, 1 of 1 server up" in systemd.values("STATUS"), "a status with a session")


@pytest.mark.parametrize("workers", [0, 2])
def test_watchdog_ticks_until_the_loop_stands_still(
    front: StartFront, pki: Certificates, systemd: Systemd, folder: Path, backend: Recorder, workers: int
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    running = systemd.start(front, {"workers": workers, **configuration}, watchdog=0.4)
    systemd.settle()
    seen = systemd.count("WATCHDOG=1")
    began = time.monotonic()
    until(lambda: systemd.count("WATCHDOG=1") >= seen + 10, "ticks")
    assert time.monotonic() - began > 8 * 0.2  # one may have been sent just before
    (folder / "other").mkdir()
    with Systemd(folder / "other") as other:  # its ticks are the measure of time
        configuration, _ = single(pki.server_ec, backend.port)
        other.start(front, configuration, watchdog=0.4)
        running.process.send(signal.SIGSTOP)
        try:
            until(lambda: Path(f"/proc/{running.process.pid}/stat").read_text().split()[2] == "T", "a stopped process")
            systemd.settle()
            seen, others = systemd.count("WATCHDOG=1"), other.count("WATCHDOG=1")
            until(lambda: other.count("WATCHDOG=1") >= others + 5, "ticks of the other service")
            systemd.settle()
            assert systemd.count("WATCHDOG=1") == seen
        finally:
            running.process.send(signal.SIGCONT)


@pytest.mark.parametrize("workers", [0, 2])
def test_restart_refuses_nobody(
    front: StartFront, pki: Certificates, systemd: Systemd, folder: Path, backend: Recorder, workers: int
) -> None:
    # The last of those who wait begins its handshake when the others have been served.
    configuration, port = single(pki.server_ec, backend.port, timeout={"handshake": "5m"})
    configuration = {"workers": workers, "hard-stop-after": "1s", **configuration}
    unix = folder / "front.sock"
    configuration["frontend"]["front"]["bind"].append(str(unix))
    previous = systemd.start(front, configuration)
    assert set(systemd.store) == {
        f"bind AF_INET 127.0.0.1%3A{port}",
        f"bind AF_INET6 [%3A%3A1]%3A{port}",
        f"bind {unix}",
    }
    previous.terminate()
    previous.wait()
    # Nobody accepts now; the kernel still does.
    early = [connect(port) for _ in range(WAITING)]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(unix))
    later = front(configuration, until_ready=False, **systemd.options())
    early += [connect(port) for _ in range(WAITING)]
    until(lambda: systemd.count("READY=1") == 2, "READY=1")
    for sock in early:
        with secure(sock, pki.client()) as connection:
            assert read_line(connection) == GREETING
    later.event(event="session")
    assert unix.is_socket()
    assert systemd.count("FDSTOREREMOVE=1") == 0


def test_store_follows_the_configuration(
    front: StartFront, pki: Certificates, systemd: Systemd, backend: Recorder
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    running = systemd.start(front, configuration)
    other = free_port()
    configuration["frontend"]["front"]["bind"] = [f"127.0.0.1:{other}"]
    running.reload(configuration)
    until(lambda: systemd.count("READY=1") == 2, "the end of a reload")
    assert set(systemd.store) == {f"bind AF_INET 127.0.0.1%3A{other}"}


def test_stop_that_takes_its_time_leaves_no_socket_in_the_store(
    front: StartFront, pki: Certificates, systemd: Systemd, backend: Recorder
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = systemd.start(front, {"drain-timeout": "1s", **configuration})
    running.terminate()
    running.wait()
    until(lambda: systemd.count("STOPPING=1") == 1, "STOPPING=1")
    assert systemd.store == {}
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize("workers", [0, 2])
def test_sockets_of_units_are_found_by_name(
    front: StartFront, pki: Certificates, systemd: Systemd, backend: Recorder, workers: int
) -> None:
    sockets = [bound(), bound(host="::1")]
    for sock in sockets:
        systemd.listen("imaps", sock)
    configuration, _ = single(pki.server_ec, backend.port)
    configuration["frontend"]["front"]["bind"] = ["systemd:imaps"]
    ports = [sock.getsockname()[1] for sock in sockets]
    with connect(ports[0]) as early:
        systemd.start(front, {"workers": workers, **configuration})
        with secure(early, pki.client()) as connection:
            assert read_line(connection) == GREETING
    with connect_tls(ports[1], pki.client(), "::1") as connection:
        assert read_line(connection) == GREETING
    # systemd has them anyway.
    assert systemd.store == {}


def test_sockets_of_units_are_found_by_address(
    front: StartFront, pki: Certificates, systemd: Systemd, folder: Path, backend: Recorder
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    unix = folder / "unit.sock"
    configuration["frontend"]["front"]["bind"].append(str(unix))
    systemd.listen("mailproxy.socket", bound(port))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(unix))
        systemd.listen("mailproxy.socket", sock.dup())
    running = systemd.start(front, configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    running.terminate()
    running.wait()
    assert unix.is_socket()
    # Nothing shuts down what belongs to systemd: it would give the socket up.
    with socket.create_connection(("127.0.0.1", port)):
        pass
    assert not running.events(event="warning")


def test_name_that_systemd_does_not_have_is_status_1_and_a_line(
    folder: Path, pki: Certificates, systemd: Systemd, backend: Recorder
) -> None:
    systemd.listen("pop3s", bound())
    configuration, _ = single(pki.server_ec, backend.port)
    configuration["frontend"]["front"]["bind"] = ["systemd:imaps"]
    with launch(folder, configuration, **systemd.options()) as process:
        assert process.wait() == 1
        assert process.stderr == (
            "frontend.front.bind: cannot listen on systemd:imaps: systemd handed over no such socket at the start; "
            "the names of those that it did: pop3s\n"
        )


def test_socket_that_nobody_wants_is_a_warning(
    front: StartFront, pki: Certificates, systemd: Systemd, backend: Recorder
) -> None:
    sock = bound()
    systemd.listen("pop3s", sock)
    configuration, _ = single(pki.server_ec, backend.port)
    running = systemd.start(front, configuration)
    (warning,) = running.all_events(event="warning")
    assert warning["warning"] == (
        f"systemd listens on AF_INET 127.0.0.1:{sock.getsockname()[1]}, by the name pop3s, and no frontend binds it: "
        "its clients are not served"
    )


def test_descriptors_for_another_process_are_left_alone(
    front: StartFront, pki: Certificates, backend: Recorder
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    front(configuration, environment={"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"})
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
