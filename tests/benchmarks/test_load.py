"""The clients that connect at fixed times, against a server of this test."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import programs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        programs.require()
    except programs.Missing as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("programs")
    programs.compile_into(folder)
    return folder


@pytest.fixture
def server() -> Iterator[tuple[int, threading.Event]]:
    """Greets each client once the event is set; one client at a time."""
    greets = threading.Event()
    greets.set()
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    greets.wait()
                    client.sendall(b"* OK\r\n")
                    client.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], greets
        greets.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_time_in_which_a_server_stops_counts_for_all_clients_that_were_due(
    folder: Path, server: tuple[int, threading.Event]
) -> None:
    port, greets = server
    command = [str(folder / "load"), "--plain", "paced", str(port), "100", "20"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        assert load.stdout.readline() == "ready\n"
        greets.clear()
        stopped = threading.Timer(0.5, greets.set)
        stopped.start()
        load.stdin.write("go\n")
        load.stdin.flush()
        result: dict[str, Any] = json.loads(load.stdout.readline())
        load.stdin.close()
    assert (result["done"], result["failed"]) == (20, 0)
    # They are due in the first 0.2 s of 0.5 s: at full speed, only the first one would have waited.
    assert result["p50"] > 0.25
    assert result["mean"] > 0.25
