"""Processes that are forked from one that has imported mailproxy, and what becomes of them when that one ends."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.forked import LONGEST, Forked, ForkServer
from tests.interop.waiting import PATIENCE_SECONDS


@pytest.fixture
def server() -> Iterator[ForkServer]:
    made = ForkServer()
    yield made
    made.stop()


def start(server: ForkServer, folder: Path, *arguments: str, **environment: str) -> Forked:
    with (folder / "out").open("wb") as stdout, (folder / "err").open("wb") as stderr:
        return server.start(arguments, folder, {**os.environ, **environment}, (stdout, stderr))


def start_endless(server: ForkServer, folder: Path) -> Forked:
    """Start a process that waits until it is killed, and listens nowhere."""
    os.mkfifo(folder / "nothing")
    return start(server, folder, "check", "-c", "nothing")


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def kill_parent(forked: Forked) -> None:
    stat = Path(f"/proc/{forked.pid}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)


def test_forked_process_has_its_own_status_and_output_and_leaves_no_descriptor(
    server: ForkServer, folder: Path
) -> None:
    assert start(server, folder, "--version").wait(PATIENCE_SECONDS) == 0
    before = open_descriptors()
    assert start(server, folder, "no-such-command").wait(PATIENCE_SECONDS) == 2
    assert "no-such-command" in (folder / "err").read_text()
    assert open_descriptors() == before


def test_forked_process_that_is_killed_has_that_as_status(server: ForkServer, folder: Path) -> None:
    endless = start_endless(server, folder)
    endless.kill()
    assert endless.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert not Path(f"/proc/{endless.pid}").exists()


def test_process_that_forks_is_replaced_when_it_has_died_and_what_it_forked_ends(
    server: ForkServer, folder: Path
) -> None:
    endless = start_endless(server, folder)
    kill_parent(endless)
    assert endless.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    with pytest.raises(AssertionError, match="has ended"):
        start(server, folder, "--version")
    assert start(server, folder, "--version").wait(PATIENCE_SECONDS) == 0


def test_request_that_is_too_long_is_refused(server: ForkServer, folder: Path) -> None:
    with pytest.raises(AssertionError, match="bytes, at most"):
        start(server, folder, "--version", LONG="x" * LONGEST)
