"""Reloads of a running process, under load and with everything that can come in between."""

import copy
import os
import re
import shutil
import signal
import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, Front, frontend, launch, single
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.visits import Visits
from tests.interop.waiting import SLACK_SECONDS, until

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])

RATE = 200.0  # new connections a second, or as many as a busy machine manages
RELOADS_UNDER_LOAD = 10
IDLE_SESSIONS = 200
RELOADS_IN_A_ROW = 100
GROWTH = 1.02


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


def changes(running: Front) -> list[str]:
    """The lines of what reloads have changed."""
    return [event["change"] for event in running.events(event="change")]


@COMMANDS
def test_frontend_comes_and_goes_while_a_session_continues(
    front: StartFront, backend: Recorder, pki: Certificates, command: tuple[str | Path, ...]
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration, command=command)
    other = free_port()
    more = copy.deepcopy(configuration)
    more["frontend"]["more"] = frontend(other, "recorder")
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        running.reload(more)
        assert changes(running) == ["+ frontend more"]
        with connect_tls(other, pki.client()) as second:
            assert read_line(second) == GREETING
            running.reload(configuration)
            second.sendall(b"a NOOP\r\n")
            assert read_line(second) == b"a NOOP\r\n"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other))
        connection.sendall(b"a NOOP\r\n")
        assert read_line(connection) == b"a NOOP\r\n"
    assert changes(running) == ["+ frontend more", "- frontend more"]


def test_reloads_under_load_fail_nobody(front: StartFront, backend: Recorder, pki: Certificates, folder: Path) -> None:
    """Each reload changes a limit, a weight, a frontend, and every other one the certificate."""
    certificate = folder / "mail.pem"
    certificate.touch(mode=0o600)
    shutil.copyfile(pki.server_ec, certificate)
    configuration, port = single(certificate, backend.port)
    running = front(configuration)
    other = free_port()
    with Visits(port, pki.client(), GREETING, RATE) as visits:
        for number in range(RELOADS_UNDER_LOAD):
            visits.until_more(RATE / 4)
            configuration["frontend"]["front"]["maxconn"] = 1000 + number
            configuration["backend"]["recorder"]["server"]["only"]["weight"] = 1 + number
            if number % 2:
                configuration["frontend"].pop("more", None)
                shutil.copyfile(pki.server_rsa if number % 4 == 1 else pki.server_ec, certificate)
            else:
                configuration["frontend"]["more"] = frontend(other, "recorder")
            running.reload(configuration)
    assert visits.failures == []
    assert len(running.events(event="reloaded")) == RELOADS_UNDER_LOAD


def test_many_reloads_leave_no_process_and_no_memory(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration)
    with ExitStack() as stack:
        sessions: list[ssl.SSLSocket] = []
        for _ in range(IDLE_SESSIONS):
            sessions.append(stack.enter_context(connect_tls(port, pki.client())))
            assert read_line(sessions[-1]) == GREETING
        family = len(running.process.family())
        before = running.process.memory()
        for number in range(RELOADS_IN_A_ROW):
            configuration["frontend"]["front"]["maxconn"] = 1000 + number
            running.reload(configuration)
        after = running.process.memory()
        print(f"{before} bytes before, {after} behind {RELOADS_IN_A_ROW} reloads: {after / before - 1:+.2%}")
        assert len(running.process.family()) == family
        assert after < before * GROWTH
        for connection in sessions:
            connection.sendall(b"a NOOP\r\n")
            assert read_line(connection) == b"a NOOP\r\n"
    assert len(changes(running)) == RELOADS_IN_A_ROW


@pytest.mark.parametrize("text", ["", '[frontend.front]\nbind = ["127.0.0.1:1', "\xff"])
def test_file_that_cannot_be_used_changes_nothing(
    front: StartFront, backend: Recorder, pki: Certificates, text: str
) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration)
    whole = running.file.read_text()
    running.file.write_text(text, encoding="latin-1")
    running.process.send(signal.SIGHUP)
    running.event(event="reload-refused")
    running.event(event="problem")
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    running.file.write_text(whole)
    running.reload()


def test_folder_of_certificates_that_is_gone_serves_what_it_had_and_comes_back(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    certificates = folder / "tls"
    certificates.mkdir()
    (certificates / "mail.pem").touch(mode=0o600)
    shutil.copyfile(pki.server_ec, certificates / "mail.pem")
    configuration, port = single(pki.server_ec, backend.port)
    configuration["tls"]["default"]["certificates"] = [str(certificates / "*.pem")]
    running = front(configuration)
    certificates.rename(folder / "away")
    running.reload()
    (warning,) = running.events(event="warning")
    assert "the previous files stay in use" in warning["warning"]
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    (folder / "away").rename(certificates)
    shutil.copyfile(pki.server_rsa, certificates / "mail.pem")
    running.reload()
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    assert len(running.events(event="warning")) == 1
    (change,) = changes(running)
    assert re.fullmatch(r"~ tls default: .*/mail\.pem renewed, until \d{4}-\d\d-\d\d", change)


def test_last_of_many_signals_counts(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration)
    for number in range(20):
        configuration["frontend"]["front"]["maxconn"] = 1000 + number
        running.write(configuration)
        running.process.send(signal.SIGHUP)
    until(lambda: changes(running) and changes(running)[-1].endswith("-> 1019"), "the last change")
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING


@COMMANDS
def test_sigterm_during_a_reload_ends_the_process(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path, command: tuple[str | Path, ...]
) -> None:
    """The reload hangs in a named pipe where the configuration should be."""
    configuration, port = single(pki.server_ec, backend.port)
    running = front(configuration, command=command)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        running.file.unlink()
        os.mkfifo(running.file)
        running.process.send(signal.SIGHUP)
        running.event(event="reload")
        began = time.monotonic()
        running.terminate()
        assert read_line(connection).startswith(b"* BYE ")
    running.wait()
    assert time.monotonic() - began < SLACK_SECONDS


def test_sighup_during_the_start_reloads_behind_it(folder: Path, backend: Recorder, pki: Certificates) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    path = folder / "front"
    configuration["frontend"]["front"]["bind"] = [str(path)]
    with launch(folder, configuration) as process:
        until(path.exists, "the socket file", pause=0.0)
        process.send(signal.SIGHUP)
        until(lambda: '"reloaded"' in process.stdout, "the reload")
        process.terminate()
        assert process.wait() == 0
    lines: list[Any] = [line for line in process.stdout.splitlines() if '"ready"' in line or '"reload"' in line]
    assert '"ready"' in lines[0]
