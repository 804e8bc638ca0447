"""How the service starts, fails to start, and ends, whichever command runs it."""

import contextlib
import os
import signal
import socket
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, Table, check_for_bugs, frontend, launch, single
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.server import until_end
from tests.interop.waiting import PATIENCE_SECONDS, SLACK_SECONDS, until

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])
Command = Sequence[str | Path]
NOBODY = 65534
HARD_STOP, HARD_STOP_SECONDS = "3s", 3.0


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


def check_start_fails(folder: Path, configuration: Table, command: Command, *named: str) -> None:
    """Check that the start fails with status 1 and one line that names what is wrong."""
    with launch(folder, configuration, command) as process:
        status = process.wait()
        output = process.stdout + process.stderr
        assert status == 1, output
        check_for_bugs(output)
        lines = [line for line in output.splitlines() if all(name in line for name in named)]
        assert len(lines) == 1, output
        if command is RUN:
            assert lines[0] in process.stderr.splitlines()


@COMMANDS
def test_service_runs_and_ends_well(front: StartFront, backend: Recorder, pki: Certificates, command: Command) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration, command=command)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    running.terminate()
    running.wait()


@COMMANDS
def test_port_in_use_stops_the_start(folder: Path, pki: Certificates, command: Command) -> None:
    configuration, port = single(pki.server_ec, free_port())
    with socket.create_server(("127.0.0.1", port)):
        check_start_fails(folder, configuration, command, f"127.0.0.1:{port}")


@COMMANDS
def test_second_port_in_use_stops_the_start_too(folder: Path, pki: Certificates, command: Command) -> None:
    configuration, _ = single(pki.server_ec, free_port())
    taken = free_port()
    configuration["frontend"]["second"] = frontend(taken, "recorder")
    with socket.create_server(("127.0.0.1", taken)):
        check_start_fails(folder, configuration, command, f"127.0.0.1:{taken}")


@COMMANDS
def test_missing_certificate_stops_the_start(folder: Path, command: Command) -> None:
    missing = folder / "missing.pem"
    configuration, _ = single(missing, free_port())
    check_start_fails(folder, configuration, command, str(missing))


@COMMANDS
def test_file_that_is_no_certificate_stops_the_start(folder: Path, command: Command) -> None:
    wrong = folder / "wrong.pem"
    wrong.write_text("this is not a certificate\n")
    configuration, _ = single(wrong, free_port())
    check_start_fails(folder, configuration, command, str(wrong))


@COMMANDS
def test_certificate_without_its_key_stops_the_start(folder: Path, pki: Certificates, command: Command) -> None:
    configuration, _ = single(pki.authority, free_port())
    check_start_fails(folder, configuration, command, str(pki.authority))


@COMMANDS
def test_mistake_in_the_configuration_stops_the_start(folder: Path, pki: Certificates, command: Command) -> None:
    configuration, _ = single(pki.server_ec, free_port(), protcol="imap")
    check_start_fails(folder, configuration, command, "frontend.front.protcol", "protocol")


@COMMANDS
def test_sigterm_ends_sessions_politely_within_the_configured_time(
    front: StartFront, backend: Recorder, pki: Certificates, command: Command
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front({"hard-stop-after": HARD_STOP, **configuration}, command=command)
    with connect_tls(port, pki.client(), strict_end=True) as connection:
        assert read_line(connection) == GREETING
        began = time.monotonic()
        running.terminate()
        assert read_line(connection).startswith(b"* BYE ")
        assert connection.recv(1) == b""
    running.wait()
    assert time.monotonic() - began < HARD_STOP_SECONDS + SLACK_SECONDS
    assert backend.next().ended.wait(PATIENCE_SECONDS)


def test_sigterm_stops_accepting_at_once(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front({"hard-stop-after": HARD_STOP, **configuration})
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        running.terminate()
        until_end(connection)
    running.wait()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_twistd_drops_privileges_after_binding(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    assert stat.S_IMODE(pki.server_ec.stat().st_mode) == 0o600  # only root can read the key
    twistd, *rest = TWISTD
    running = front(configuration, command=(twistd, f"--uid={NOBODY}", f"--gid={NOBODY}", *rest))
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    assert running.process.user_ids() == {NOBODY}
    assert running.process.group_ids() == {NOBODY}


def test_unix_sockets_serve_on_both_sides(front: StartFront, pki: Certificates, folder: Path) -> None:
    configuration, _ = single(pki.server_ec, free_port())
    inner, outer = folder / "inner", folder / "outer"
    configuration["frontend"]["front"] |= {"bind": [str(outer)], "tls": "none"}
    configuration["backend"]["recorder"] |= {"server": {"only": {"address": str(inner)}}, "send-proxy": "none"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(inner))
        listener.listen()
        listener.settimeout(PATIENCE_SECONDS)
        front(configuration)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(str(outer))
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(GREETING)
                assert read_line(connection) == GREETING


def test_sigterm_ends_a_busy_session_when_the_time_is_up(
    front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front({"hard-stop-after": "1s", **configuration})
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        began = time.monotonic()
        running.terminate()
        with contextlib.suppress(OSError):
            connection.sendall(b"a NOOP\r\n")
            while read_line(connection):
                connection.sendall(b"a NOOP\r\n")
        assert 0.5 < time.monotonic() - began < 1 + SLACK_SECONDS
    running.wait()


def test_port_can_be_bound_again_while_old_connections_linger(
    front: StartFront, backend: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    for _ in range(2):
        running = front(configuration)
        with connect_tls(port, pki.client()) as connection:
            assert read_line(connection) == GREETING
            running.terminate()
            until_end(connection)
        running.wait()


# Signals.


@COMMANDS
def test_signals_interrupt_nobody_and_one_reloads(
    front: StartFront, backend: Recorder, pki: Certificates, command: Command
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration, command=command)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        for name in ("SIGUSR1", "SIGUSR2", "SIGHUP"):
            running.process.send(signal.Signals[name])
            running.event(event="signal", signal=name)
        running.event(event="reloaded")
        connection.sendall(b"a NOOP\r\n")
        assert read_line(connection) == b"a NOOP\r\n"


@COMMANDS
def test_sigquit_ends_sessions_politely(
    front: StartFront, backend: Recorder, pki: Certificates, command: Command
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration, command=command, ends_by=signal.SIGQUIT)
    with connect_tls(port, pki.client(), strict_end=True) as connection:
        assert read_line(connection) == GREETING
        running.terminate()
        assert read_line(connection).startswith(b"* BYE ")
        assert connection.recv(1) == b""
    running.wait()


@COMMANDS
def test_second_sigterm_ends_busy_sessions_at_once(
    front: StartFront, backend: Recorder, pki: Certificates, command: Command
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front({"hard-stop-after": "5m", **configuration}, command=command)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        running.terminate()
        running.event(event="stopping")
        connection.sendall(b"a NOOP\r\n")
        running.process.terminate()
        running.wait()
    assert running.events(event="closed")


GENTLE = {"drain-delay": "5s", "drain-timeout": "5m", "drain-spread": "5m", "hard-stop-after": "5m"}


@COMMANDS
def test_gentle_stop_serves_who_comes_and_waits_for_who_is_there(
    front: StartFront, backend: Recorder, pki: Certificates, command: Command
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front({**GENTLE, **configuration}, command=command)
    running.terminate()
    running.event(event="draining")
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        running.until_events(2, event="draining")  # the end of accepting
        with pytest.raises(ConnectionRefusedError):
            connect_tls(port, pki.client())
        connection.sendall(b"a NOOP\r\n")
        assert read_line(connection) == b"a NOOP\r\n"
        assert running.process.is_alive
    running.wait()


@COMMANDS
def test_second_sigterm_ends_a_gentle_stop_at_once(
    front: StartFront, backend: Recorder, pki: Certificates, command: Command
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front({**GENTLE, "drain-delay": "5m", **configuration}, command=command)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        running.terminate()
        running.event(event="draining")
        running.process.terminate()
        running.wait()


def test_sigterm_during_the_start_leaves_no_socket_file(folder: Path, pki: Certificates) -> None:
    configuration, _ = single(pki.server_ec, free_port())
    path = folder / "front"
    configuration["frontend"]["front"] |= {"bind": [str(path)]}
    with launch(folder, configuration) as process:
        until(path.exists, "the socket file", pause=0.0)
        process.terminate()
        assert process.wait() == 0
    assert not path.exists()
