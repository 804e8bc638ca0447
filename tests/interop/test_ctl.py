"""Administrators of a running service: their commands, access control, and hostile clients."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median

import pytest

from tests.interop.admin import Ctl, ask, connected, messages, with_admin
from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, Front, frontend, launch, single
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.timing import limit, seconds_of
from tests.interop.waiting import PATIENCE_SECONDS, until

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = 65534
MAX_CLIENTS = 32
CHANGES = 2000  # so many events that buffers are full long before
ROUND_TRIP_SECONDS = 0.2  # far above a round trip, far below what a held event loop would cost


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


@pytest.fixture
def ctl(folder: Path) -> Ctl:
    return Ctl(folder / "admin.sock")


class Service:
    """A service with an admin socket, and a client of its own that notices when it is held up."""

    def __init__(self, running: Front, port: int, ctl: Ctl, pki: Certificates) -> None:
        self.running = running
        self.port = port
        self.ctl = ctl
        self.pki = pki
        self.connection = connect_tls(port, pki.client())
        assert read_line(self.connection) == GREETING
        self._longest = limit(ROUND_TRIP_SECONDS, self._speak)

    def _speak(self) -> None:
        self.connection.sendall(b"a NOOP\r\n")
        assert read_line(self.connection) == b"a NOOP\r\n"

    def check_it_serves(self) -> None:
        """A session relays without delay, and another one begins."""
        # Single round trips may be late by what else the machine does.
        assert median(seconds_of(self._speak) for _ in range(11)) < self._longest
        with connect_tls(self.port, self.pki.client()) as other:
            assert read_line(other) == GREETING


@pytest.fixture
def service(front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl) -> Iterator[Service]:
    configuration, port = single(pki.server_ec, backend.port)
    made = Service(front(with_admin(configuration, ctl.path)), port, ctl, pki)
    with made.connection:
        yield made


# What is asked and done.


@COMMANDS
def test_commands_work_whichever_command_serves(
    front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl, command: tuple[str | Path, ...]
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(with_admin(configuration, ctl.path), command=command)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        (info,) = ctl.rows("show info")
        assert (info["pid"], info["user"], info["sessions"]) == (running.process.pid, os.geteuid(), 1)
        # A goodbye does not interrupt a response, of which there may be more within a moment.
        until(lambda: ctl.rows("show sessions idle-for 200ms"), "an idle session")
        (session,) = ctl.rows("show sessions client 127.0.0.1 stage relay")
        host, client_port = connection.getsockname()
        assert (session["client"], session["server"]) == (f"{host}:{client_port}", "only")
        assert ctl.output(f"shutdown session {session['id']}") == f"session {session['id']} ends\n"
        assert read_line(connection).startswith(b"* BYE ")
    assert running.session((host, client_port))["termination"] == "KD"
    assert ctl.output("stop") == "the service stops\n"
    running.wait_for_stop()


def test_server_in_maintenance_gets_nobody_until_it_is_ready(service: Service) -> None:
    ctl = service.ctl
    assert ctl.output("set server recorder/only state maint") == "server recorder/only: state ready -> maint\n"
    with connect_tls(service.port, service.pki.client()) as refused:
        assert read_line(refused).startswith(b"* BYE [UNAVAILABLE]")
    (row,) = ctl.rows("show servers")
    assert (row["state"], row["why"], row["sessions"]) == ("maint", "by hand", 1)
    ctl.output("set server recorder/only state ready")
    service.check_it_serves()


def test_lines_of_the_answer_are_printed_if_asked_for(service: Service) -> None:
    row, done = map(json.loads, service.ctl.run("show servers", "--json").stdout.splitlines())
    assert (row["type"], row["backend"], row["server"], done["type"]) == ("row", "recorder", "only", "done")


def test_state_by_hand_survives_reloads(service: Service, folder: Path) -> None:
    ctl = service.ctl
    ctl.output("set server recorder/only state drain")
    ctl.output("set server recorder/only weight 50%")
    assert ctl.output("reload") == "reloaded, and nothing has changed\n"
    (row,) = ctl.rows("show servers")
    assert (row["state"], row["weight"]) == ("drain", 50)


def check_against_running(ctl: Ctl) -> subprocess.CompletedProcess[str]:
    """Have the configuration that the service uses checked."""
    return subprocess.run(
        [sys.executable, "-m", "mailproxy", "check", ctl.rows("show info")[0]["configuration"], "--against-running"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_check_says_what_a_reload_says_of_a_certificate_that_breaks(
    front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl, folder: Path
) -> None:
    certificate = folder / "mail.pem"
    certificate.write_bytes(pki.server_ec.read_bytes())
    certificate.chmod(0o600)
    configuration, _ = single(certificate, backend.port, maxconn=10)
    front(with_admin(configuration, ctl.path))
    certificate.write_bytes(b"")
    checked = check_against_running(ctl)
    (warning,) = checked.stderr.splitlines()
    assert warning.endswith("; the previous one stays in use")
    assert checked.returncode == 0
    reloaded = ctl.output("reload").splitlines()
    assert f"{certificate}: " in reloaded[0]
    assert warning.endswith(reloaded[0].removeprefix("warning: "))
    (row,) = ctl.rows("show certificates")
    assert row["refused"] in warning


def test_check_says_what_a_reload_says_of_a_list_that_breaks(
    front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl, folder: Path
) -> None:
    listed = folder / "listed.txt"
    listed.write_text("192.0.2.0/24\n")
    configuration, _ = single(pki.server_ec, backend.port, maxconn=10)
    configuration["bans"] = {"lists": [f"@{listed}"]}
    front(with_admin(configuration, ctl.path))
    listed.write_text("192.0.2.1/24\n")
    checked = check_against_running(ctl)
    (warning,) = checked.stderr.splitlines()
    assert checked.stdout.splitlines()[0].endswith("; a start would fail")
    assert checked.returncode == 0
    reloaded = ctl.output("reload").splitlines()
    assert warning.endswith(reloaded[0].removeprefix("warning: "))
    (info,) = ctl.rows("show info")
    assert f"{info['lists_refused'][0]}; the previous list stays in use" in warning


def test_reload_says_what_it_changes_and_check_says_so_before(
    front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl
) -> None:
    configuration, _ = single(pki.server_ec, backend.port, maxconn=10)
    configuration = with_admin(configuration, ctl.path)
    running = front(configuration)
    configuration["frontend"]["more"] = frontend(free_port(), "recorder", maxconn=10)
    running.write(configuration)
    checked = check_against_running(ctl)
    assert (checked.stdout.splitlines()[-1], checked.returncode) == ("+ frontend more", 0)
    assert len(ctl.rows("show frontends")) == 1
    assert ctl.output("reload").splitlines() == ["+ frontend more", "reloaded, with 1 change"]
    assert len(ctl.rows("show frontends")) == 2
    running.file.write_text("maxconn = 'many'\nworkers = 0.5\n")
    failed = ctl.run("reload")
    assert failed.returncode == 1
    assert {"maxconn", "workers"} < {line.partition(":")[0] for line in failed.stderr.splitlines()}
    running.write(configuration)


def test_admin_socket_moves_with_a_reload(
    front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl, folder: Path
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    running = front(with_admin(configuration, ctl.path))
    moved = folder / "moved.sock"
    running.write(with_admin(configuration, moved))
    assert "admin" in ctl.output("reload")
    assert not ctl.path.exists()
    assert len(Ctl(moved).rows("show info")) == 1


def test_watcher_sees_sessions_begin_and_end_and_servers_change(service: Service) -> None:
    with connected(service.ctl.path) as client:
        ask(client, "watch")
        events = messages(client)
        assert next(events)["type"] == "hello"
        until(lambda: service.ctl.rows("show info")[0]["watchers"] == 1, "the watcher")
        service.ctl.output("set server recorder/only state drain")
        seen = [event for event in (next(events) for _ in range(2)) if event["event"] == "server"]
        assert [(event["server"], event["state"]) for event in seen] == [("only", "drain")]
        service.ctl.output("set server recorder/only state ready")
        with connect_tls(service.port, service.pki.client()):
            begun = next(event for event in events if event["event"] == "session-begin")
        assert (begun["frontend"], begun["server"]) == ("front", "only")
        service.connection.close()
        ended = next(event for event in events if event["event"] == "session")
        assert ended["frontend"] == "front"
    until(lambda: service.ctl.rows("show info")[0]["watchers"] == 0, "no watcher")


# Who may.


def test_socket_is_for_its_user_alone(service: Service) -> None:
    status = service.ctl.path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o600, os.geteuid())


_STRANGER = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
print(client.makefile("rb").readline().decode())
"""


def stranger(path: Path) -> subprocess.CompletedProcess[str]:
    """What another user sees of an admin socket."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin")
    if python is None:
        pytest.skip("needs a python3 that every user can run")
    return subprocess.run(
        [python, "-c", _STRANGER, str(path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        check=False,
    )


@NEEDS_ROOT
def test_other_user_cannot_connect(service: Service) -> None:
    service.ctl.path.parent.chmod(0o755)
    assert "PermissionError" in stranger(service.ctl.path).stderr


@NEEDS_ROOT
def test_other_user_who_can_connect_is_refused(service: Service) -> None:
    service.ctl.path.parent.chmod(0o755)
    service.ctl.path.chmod(0o666)
    refused = json.loads(stranger(service.ctl.path).stdout)
    assert refused == {"type": "error", "error": "user 65534 is not allowed: only root and user 0 are"}
    service.running.event(event="ctl-refused", user=NOBODY)
    service.check_it_serves()


@NEEDS_ROOT
def test_root_asks_a_service_of_another_user(front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    twistd, *rest = TWISTD
    front(
        with_admin(configuration, ctl.path),
        command=(twistd, f"--uid={NOBODY}", f"--gid={NOBODY}", *rest),
    )
    (info,) = ctl.rows("show info")
    assert info["user"] == NOBODY


# The socket's file.


def test_socket_that_was_left_behind_is_replaced(
    front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl, folder: Path
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    configuration = with_admin(configuration, ctl.path)
    with launch(folder, configuration) as killed:
        until(ctl.path.exists, "the admin socket")
        killed.send(signal.SIGKILL)
        killed.wait()
    assert ctl.path.exists()
    assert "no process listens there" in ctl.run("show info").stderr
    front(configuration)
    assert len(ctl.rows("show info")) == 1


def test_socket_of_another_service_stops_the_start(service: Service, folder: Path, pki: Certificates) -> None:
    configuration, _ = single(pki.server_ec, free_port())
    with launch(folder, with_admin(configuration, service.ctl.path)) as second:
        assert second.wait() == 1
        assert "admin.socket: cannot listen on" in second.stderr
        assert "another process listens there" in second.stderr
    assert len(service.ctl.rows("show info")) == 1


# Hostile ones.


def test_client_that_never_reads_holds_up_nobody(service: Service) -> None:
    with connected(service.ctl.path) as client:
        client.setblocking(False)
        request = b'{"command": "show config"}\n'
        sent = 0
        with suppress(BlockingIOError):
            while sent < 64 << 20:
                sent += client.send(request * 1000)
        assert sent < 64 << 20
        before = service.running.process.memory()
        service.check_it_serves()
        assert service.running.process.memory() - before < 4 << 20
        assert len(service.ctl.rows("show info")) == 1


def test_watcher_that_never_reads_loses_events_and_learns_how_many(service: Service) -> None:
    with connected(service.ctl.path) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ask(client, "watch")
        until(lambda: service.ctl.rows("show info")[0]["watchers"] == 1, "the watcher")
        with connected(service.ctl.path) as busy:
            answers = messages(busy)
            next(answers)
            for number in range(CHANGES):
                ask(busy, "set server weight", server="recorder/only", weight=str(number % 2))
                assert next(answers)["type"] == "done"
        service.ctl.output("set server recorder/only weight 1")
        service.check_it_serves()
        types: dict[str, int] = {}
        lost = 0
        for event in messages(client):
            types[event["type"]] = types.get(event["type"], 0) + 1
            if event["type"] == "lost":
                lost = event["events"]
                break
        # Each change is two events: of the server, and of the command.
        assert types["event"] + lost >= 2 * CHANGES
        assert types["event"] < CHANGES
        service.check_it_serves()


def test_endless_line_is_refused(service: Service) -> None:
    with connected(service.ctl.path) as client:
        with suppress(OSError):
            for _ in range(1000):
                client.sendall(b"x" * 65536)
        with suppress(ConnectionResetError):
            lines = list(messages(client))
            assert "more than 4096 bytes" in lines[-1]["error"]
    service.check_it_serves()


def test_thousand_connections_hold_up_nobody(service: Service) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(service.ctl.path)) for _ in range(1000)]
        service.check_it_serves()
        first = [next(messages(client)) for client in clients]
        assert [line["type"] for line in first[:MAX_CLIENTS]] == ["hello"] * MAX_CLIENTS
        assert {line.get("error") for line in first[MAX_CLIENTS:]} == {
            f"{MAX_CLIENTS} clients are connected, which is the limit"
        }
        service.check_it_serves()
    until(lambda: service.ctl.run("show info").returncode == 0, "a place for another client")


def test_service_stops_although_clients_do_not_read(
    front: StartFront, backend: Recorder, pki: Certificates, ctl: Ctl
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    running = front(with_admin(configuration, ctl.path))
    with connected(ctl.path) as client, connected(ctl.path) as watcher:
        ask(watcher, "watch")
        client.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                client.send(b'{"command": "show config"}\n' * 1000)
        running.terminate()
        running.event(event="closed")
        running.wait()
    assert not ctl.path.exists()
