"""Reload and stop while the process or the disk has nothing left: descriptors, space for the log or for ``/tmp``."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, file_of, launch, single
from tests.interop.recorder import GREETING, echo
from tests.interop.waiting import SLACK_SECONDS, until

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])
DESCRIPTORS = 128


def used(pid: int) -> int:
    """How many descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextlib.contextmanager
def without_descriptors(pid: int, port: int) -> Iterator[socket.socket]:
    """Connect until the process has no descriptor left; the first client is greeted."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(connect(port))
        assert read_line(first) == GREETING
        for _ in range(2 * DESCRIPTORS):
            stack.enter_context(connect(port))
        until(lambda: used(pid) == DESCRIPTORS, "the last descriptor")
        yield first


def test_reload_without_a_descriptor_left_changes_nothing(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, tls="none")
    running = front({"maxconn": 10_000, **configuration}, descriptors=DESCRIPTORS)
    with without_descriptors(running.process.pid, port) as first:
        running.process.send(signal.SIGHUP)
        assert "Too many open files" in running.event(event="problem")["problem"]
        first.sendall(b"a NOOP\r\n")
        assert read_line(first) == b"a NOOP\r\n"
    until(lambda: used(running.process.pid) < DESCRIPTORS // 2, "descriptors to be free again")
    running.reload()
    with connect(port) as connection:
        assert read_line(connection) == GREETING


def test_stop_without_a_descriptor_left_is_polite(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, tls="none")
    running = front({"maxconn": 10_000, **configuration}, descriptors=DESCRIPTORS)
    with without_descriptors(running.process.pid, port) as first:
        running.terminate()
        assert read_line(first).startswith(b"* BYE ")
    running.wait()


@COMMANDS
def test_full_disk_for_the_log_stops_nobody(
    folder: Path, recorder: StartRecorder, pki: Certificates, command: tuple[str | Path, ...]
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    full = os.open("/dev/full", os.O_WRONLY)
    with launch(folder, configuration, command, output=full) as process:
        os.close(full)
        process.until_listening([port])
        with connect_tls(port, pki.client()) as connection:
            assert read_line(connection) == GREETING
            for number in range(3):
                configuration["frontend"]["front"]["maxconn"] = 1000 + number
                (folder / "mailproxy.toml").write_text(file_of(configuration))
                process.send(signal.SIGHUP)
                with connect_tls(port, pki.client()) as other:
                    assert read_line(other) == GREETING
            connection.sendall(b"a NOOP\r\n")
            assert read_line(connection) == b"a NOOP\r\n"
        began = time.monotonic()
        process.terminate()
        process.wait()
        assert time.monotonic() - began < SLACK_SECONDS
        assert process.stderr == ""


# Mounts a full file system over the folder that comes first, for the command that follows alone.
_FULL = """
mount -t tmpfs -o size=4k none "$0" && ! head -c 8192 /dev/zero 2>/dev/null >"$0/filler" && TMPDIR="$0" exec "$@"
"""


def test_full_folder_for_temporary_files_stops_nobody(folder: Path, recorder: StartRecorder, pki: Certificates) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    served, full = folder / "served.pem", folder / "full"
    full.mkdir()
    served.write_bytes(pki.server_ec.read_bytes())
    configuration, port = single(served, recorder(echo()).port)
    command = ("unshare", "--mount", "sh", "-c", _FULL, full, *RUN)
    with launch(folder, {"workers": 2, **configuration}, command) as process:
        process.until_listening([port])
        with connect_tls(port, pki.client()) as connection:
            assert read_line(connection) == GREETING
            served.write_bytes(pki.server_rsa.read_bytes())
            process.send(signal.SIGHUP)
            until(lambda: '"reloaded"' in process.stdout, "the reload")
            with connect_tls(port, pki.client()) as other:
                assert other.getpeercert(binary_form=True) != connection.getpeercert(binary_form=True)
                assert read_line(other) == GREETING
        process.terminate()
        process.wait()
        assert process.stderr == ""
