"""Administrators of a running mailproxy: its own command, and raw clients of the admin socket."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailproxy.control.call import Call
from mailproxy.control.grammar import parse
from tests.interop.front import Table
from tests.interop.waiting import PATIENCE_SECONDS

_ROOT = Path(__file__).resolve().parents[2]
Row = Mapping[str, Any]


class Ctl:
    """``mailproxy ctl`` for one socket."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """What a command prints."""
        search = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        return subprocess.run(
            [sys.executable, "-m", "mailproxy", "ctl", "--socket", self.path, *options, *command.split()],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env={**os.environ, "PYTHONPATH": search},
            check=False,
        )

    def output(self, command: str) -> str:
        """What is printed for a command that is carried out."""
        done = self.run(command)
        assert done.returncode == 0, done
        return done.stdout

    def rows(self, command: str) -> Sequence[Row]:
        """The rows of the answer, asked over the socket by this process."""
        return rows(self.path, command.split())

    def settle(self) -> None:
        """Wait until all workers have done what the main process has told them so far."""
        self.rows("show sessions")  # it asks each worker, which takes its messages in order


def rows(path: Path, words: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the answer to a command, as ``mailproxy ctl`` asks for them."""
    with Call(str(path), PATIENCE_SECONDS) as call:
        return call.rows(parse(words))


def with_admin(configuration: Table, path: Path) -> dict[str, Any]:
    """The same configuration with an admin socket."""
    return {**configuration, "admin": {"socket": str(path)}}


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """A raw client of an admin socket, which has read nothing yet."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.connect(str(path))
        yield client


def ask(client: socket.socket, command: str, **arguments: str) -> None:
    """Send a request."""
    client.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")


def messages(client: socket.socket) -> Iterator[dict[str, Any]]:
    """The lines that come, until the end."""
    received = b""
    while data := client.recv(65536):
        *lines, received = (received + data).split(b"\n")
        yield from map(json.loads, lines)
