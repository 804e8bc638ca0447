"""Standard output without a reader, or closed."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, launch, single
from tests.interop.recorder import GREETING, echo
from tests.interop.waiting import SLACK_SECONDS, until

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])
Command = Sequence[str | Path]

# What the smallest pipe holds, and sessions whose lines are more than that.
PIPE_BYTES = 4096
SESSIONS = 30


@COMMANDS
def test_stalled_reader_of_the_log_stops_nobody(
    folder: Path, recorder: StartRecorder, pki: Certificates, command: Command
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    reader, writer = os.pipe()
    fcntl(writer, F_SETPIPE_SZ, PIPE_BYTES)
    with ExitStack() as stack:
        stack.callback(os.close, reader)
        process = stack.enter_context(launch(folder, configuration, command, output=writer))
        os.close(writer)
        process.until_listening([port])
        with connect_tls(port, pki.client()) as open_session:
            assert read_line(open_session) == GREETING
            for _ in range(SESSIONS):
                with connect_tls(port, pki.client()) as connection:
                    assert read_line(connection) == GREETING
            open_session.sendall(b"a NOOP\r\n")
            assert read_line(open_session) == b"a NOOP\r\n"
        began = time.monotonic()
        process.terminate()
        process.wait()
        assert time.monotonic() - began < SLACK_SECONDS
        assert len(os.read(reader, 2 * PIPE_BYTES)) <= PIPE_BYTES
        assert process.stderr == ""


def test_lines_come_when_the_reader_continues(folder: Path, recorder: StartRecorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    reader, writer = os.pipe()
    fcntl(writer, F_SETPIPE_SZ, PIPE_BYTES)
    with os.fdopen(reader) as lines, launch(folder, configuration, output=writer) as process:
        os.close(writer)
        process.until_listening([port])
        for _ in range(SESSIONS):
            with connect_tls(port, pki.client()) as connection:
                assert read_line(connection) == GREETING
        events: list[dict[str, Any]] = []
        reading = Thread(target=lambda: events.extend(map(json.loads, lines)))
        reading.start()
        until(lambda: sum(map(is_served, events)) == SESSIONS, "the lines of all sessions")
        process.terminate()
        assert process.wait() == 0
        reading.join()
    assert sum(map(is_served, events)) == SESSIONS
    assert events[-1]["event"] == "closed"


def is_served(event: dict[str, Any]) -> bool:
    """Whether it is the line of a session that was served."""
    return bool(event["event"] == "session" and event["bytes_out"] > 0)


def test_reader_of_the_log_that_has_gone_stops_nobody(folder: Path, recorder: StartRecorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    reader, writer = os.pipe()
    os.close(reader)
    with launch(folder, configuration, output=writer) as process:
        os.close(writer)
        process.until_listening([port])
        with connect_tls(port, pki.client()) as connection:
            assert read_line(connection) == GREETING
        process.terminate()
        assert process.wait() == 0
