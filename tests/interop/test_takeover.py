"""An upgrade of the program: a new process takes the sockets of the running one, which leaves."""

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mailproxy.control.call import Call, NoService
from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from tests.interop.admin import Ctl
from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, frontend, launch, single
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.visits import Visits
from tests.interop.waiting import PATIENCE_SECONDS, until

TAKE_OVER: tuple[str | Path, ...] = (sys.executable, "-m", "mailproxy", "run", "--take-over", "-c")
RATE = 200.0


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


@pytest.fixture
def admin(folder: Path) -> Path:
    return folder / "admin.sock"


@pytest.fixture
def configured(folder: Path, backend: Recorder, pki: Certificates, admin: Path) -> tuple[dict[str, Any], int]:
    """A frontend on a port and on a UNIX socket, an admin socket, and the port."""
    configuration, port = single(pki.server_ec, backend.port)
    configuration["frontend"]["front"]["bind"].append(str(folder / "front.sock"))
    return {"admin": {"socket": str(admin)}, **configuration}, port


def pid_at(admin: Path) -> int:
    """The process that answers at an admin socket."""
    with Call(str(admin), PATIENCE_SECONDS) as call:
        return call.pid


def until_answers(admin: Path, later: Front) -> None:
    """Wait until the process that has taken over answers at the admin socket."""

    def is_there() -> bool:
        with suppress(NoService):  # the previous one has just closed it
            return pid_at(admin) == later.process.pid
        return False

    until(is_there, "the later process at the admin socket")


def test_upgrade_under_load_refuses_nobody_and_ends_no_session(
    front: StartFront, pki: Certificates, folder: Path, admin: Path, configured: tuple[dict[str, Any], int]
) -> None:
    configuration, port = configured
    previous = front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        with Visits(port, pki.client(), GREETING, RATE) as visits:
            visits.until_more(RATE / 2)
            later = front(configuration, command=TAKE_OVER)
            previous.event(event="stopping")
            visits.until_more(RATE)
        assert visits.failures == []
        until_answers(admin, later)
        assert (folder / "front.sock").is_socket()
        connection.sendall(b"a NOOP\r\n")
        assert read_line(connection) == b"a NOOP\r\n"
        assert previous.process.is_alive
        (about,) = Ctl(admin).rows("show info")
        assert about["replaced_pid"] == previous.process.pid
    assert previous.process.wait() == 0
    assert previous.events(event="handed-over")
    assert (folder / "front.sock").is_socket()
    assert admin.is_socket()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "front.sock"))
    later.event(event="taken-over")
    assert len(later.all_events(event="taken-over")) == 1
    previous.was_ended()


def test_wait_for_a_service_that_does_not_answer_is_reported(
    front: StartFront, folder: Path, admin: Path, configured: tuple[dict[str, Any], int]
) -> None:
    configuration, _ = configured
    previous = front(configuration)
    os.kill(previous.process.pid, signal.SIGSTOP)
    try:
        with launch(folder, configuration, TAKE_OVER) as process:
            words = f"waiting for the service behind {admin} to hand over its sockets\n"
            until(lambda: process.stderr == words, "the line")
            process.terminate()
            process.wait()
    finally:
        os.kill(previous.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("workers", [0, 2])
def test_upgrade_keeps_what_administrators_have_set_and_checks_have_found(
    front: StartFront, recorder: StartRecorder, pki: Certificates, admin: Path, workers: int
) -> None:
    ports = {"weighted": recorder(echo()).port, "maintained": recorder(echo()).port, "dead": free_port()}
    configuration, port = single(pki.server_ec, ports["weighted"])
    drained = free_port()
    configuration["frontend"]["drained"] = frontend(drained, "recorder")
    slow = {"type": "tcp", "inter": "300s", "fall": 1}
    configuration["backend"]["recorder"] |= {
        "check": slow,
        "server": {name: {"address": f"127.0.0.1:{port}"} for name, port in ports.items()},
    }
    configuration |= {"workers": workers, "admin": {"socket": str(admin)}}
    previous = front(configuration)
    ctl = Ctl(admin)
    for command in (
        "check now recorder/dead",
        "set server recorder/maintained state maint",
        "set server recorder/weighted weight 7",
        "drain frontend drained",
    ):
        ctl.output(command)
    later = front(configuration, command=TAKE_OVER, drained=["drained"])
    until_answers(admin, later)
    rows = {row["server"]: row for row in ctl.rows("show servers")}
    assert {name: (row["state"], row["weight"]) for name, row in rows.items()} == {
        "weighted": ("up", 7),
        "maintained": ("maint", 100),
        "dead": ("down", 100),
    }
    for _ in range(12):
        with connect_tls(port, pki.client()) as connection:
            assert read_line(connection) == GREETING
    with pytest.raises(ConnectionRefusedError):
        connect_tls(drained, pki.client())
    until(lambda: not previous.process.is_alive, "the end of the previous process")
    previous.was_ended()
    ctl.output("enable frontend drained")
    with connect_tls(drained, pki.client()) as connection:
        assert read_line(connection) == GREETING
    assert len(later.all_events(event="inherited")) == 4


def test_process_that_cannot_take_over_leaves_the_former_alone(
    front: StartFront, pki: Certificates, folder: Path, admin: Path, configured: tuple[dict[str, Any], int]
) -> None:
    configuration, port = configured
    previous = front(configuration)
    broken = folder / "broken"
    broken.mkdir()
    configuration["frontend"]["front"]["bind"].append(str(folder / "nowhere" / "front.sock"))
    with launch(broken, configuration, TAKE_OVER) as later:
        assert later.wait() == 1
        assert "cannot listen" in later.stderr
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    assert (folder / "front.sock").is_socket()
    assert pid_at(admin) == previous.process.pid


def test_second_process_that_takes_over_at_the_same_time_is_refused(
    front: StartFront, pki: Certificates, folder: Path, admin: Path, configured: tuple[dict[str, Any], int]
) -> None:
    configuration, port = configured
    previous = front(configuration)
    (folder / "late").mkdir()
    with connect_tls(port, pki.client()) as connection, Call(str(admin)) as first:
        assert read_line(connection) == GREETING
        for _ in first.ask(Request(BY_NAME["hand over"], {})):
            pass
        with launch(folder / "late", configuration, TAKE_OVER) as second:
            assert second.wait() == 1
            assert "another process is taking over right now" in second.stderr
    assert pid_at(admin) == previous.process.pid
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING


def test_nobody_to_take_over_from_is_status_1_and_a_line(
    folder: Path, admin: Path, configured: tuple[dict[str, Any], int]
) -> None:
    with launch(folder, configured[0], TAKE_OVER) as process:
        assert process.wait() == 1
        assert process.stderr.startswith(f"{admin}: does not exist")


def test_former_process_ends_at_once_at_the_second_signal(
    front: StartFront, pki: Certificates, configured: tuple[dict[str, Any], int]
) -> None:
    configuration, port = configured
    previous = front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        front(configuration, command=TAKE_OVER)
        previous.event(event="stopping")
        previous.process.send(signal.SIGTERM)
        assert previous.process.wait() == 0
    previous.was_ended()
