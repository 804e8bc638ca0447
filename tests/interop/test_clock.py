"""A wall clock that is set forward or back by a day while mailproxy runs."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.clock import WallClock
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, single
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, echo
from tests.interop.waiting import SLACK_SECONDS

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])
DAY = 24 * 3600
SILENCE, SILENCE_SECONDS = "1s", 1.0


@COMMANDS
@pytest.mark.parametrize("step", [DAY, -DAY], ids=["forward", "back"])
def test_step_of_the_wall_clock_changes_nothing_but_the_time_of_lines(
    front: StartFront,
    recorder: StartRecorder,
    pki: Certificates,
    folder: Path,
    command: tuple[str | Path, ...],
    step: int,
) -> None:
    clock = WallClock(folder)
    backend = recorder(echo())
    configuration, port = single(pki.server_ec, backend.port)
    quick = free_port()
    configuration["frontend"]["quick"] = dict(
        configuration["frontend"]["front"], bind=[f"127.0.0.1:{quick}"], timeout={"client": SILENCE}
    )
    checked = configuration["backend"]["recorder"]
    checked["check"] = {"type": "tcp", "inter": "200ms", "timeout": "30s", "fall": 1}
    running = front(configuration, command=command, environment=clock.environment)
    with connect_tls(port, pki.client()) as connection, connect_tls(quick, pki.client()) as silent:
        assert read_line(connection) == read_line(silent) == GREETING
        began = time.monotonic()
        clock.set(step)
        # A timer that was under way.
        assert silent.recv(100) == b""
        assert time.monotonic() - began < SILENCE_SECONDS + SLACK_SECONDS
        # One that begins later.
        began = time.monotonic()
        with connect_tls(quick, pki.client()) as later:
            assert read_line(later) == GREETING
            assert later.recv(100) == b""
            assert SILENCE_SECONDS / 2 < time.monotonic() - began < SILENCE_SECONDS + SLACK_SECONDS
        # Who is neither silent nor late lives on.
        connection.sendall(b"a NOOP\r\n")
        assert read_line(connection) == b"a NOOP\r\n"
        backend.close()
        down = datetime.fromisoformat(running.event(event="server", state="down")["time"])
    assert abs(down - datetime.now(UTC) - timedelta(seconds=step)) < timedelta(minutes=5)
