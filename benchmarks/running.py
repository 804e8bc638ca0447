"""A front that runs, the server behind it, and clients at work."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, get_args

from attrs import frozen

Leg = Literal["EC", "RSA", "PLAIN", "BOTH", "STARTTLS"]
"""
What clients connect to: TLS with a P-256 or an RSA-2048 certificate, no TLS, TLS on both sides, or STARTTLS.

On both sides, the front's connections to the server have TLS as well. STARTTLS is IMAP's, with a P-256 certificate.
"""

_OPTIONS: Mapping[Leg, list[str]] = {"PLAIN": ["--plain"], "STARTTLS": ["--starttls"]}

# Not every front has these.
_OPTIONAL_LEGS: frozenset[Leg] = frozenset({"BOTH", "STARTTLS"})

Mode = Literal["conn", "resume", "paced", "paced-resume", "ping", "down", "up", "idle", "stall", "drown"]
"""What clients do; ``load.c`` tells."""

_TLS_SERVER = Path(__file__).parent / "backend-tls"

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05


class BenchmarkError(Exception):
    """A measure that could not be taken; the message says why."""


@frozen
class FrontProgram:
    """A front to measure: its name in the report, and the executable that runs it."""

    name: str
    executable: Path


@frozen
class Place:
    """Where everything runs: a folder with certificates and compiled programs, and who has which CPU."""

    folder: Path
    front_cpus: Sequence[int]
    other_cpu: int
    """For the clients and the server, which are not measured."""


@frozen
class Result:
    """What clients saw, as ``load`` reports it; times in seconds, sizes in bytes."""

    done: int
    failed: int
    resumed: int
    trips: int
    bytes: int
    seconds: float
    mean: float
    p50: float
    p99: float
    delay_p99: float
    """How late the clients themselves were with connections that are due at fixed times."""
    negotiated: str


class Clients:
    """Clients that have connected and wait to be told to `work`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def work(self) -> Result:
        """Let them do what they came for; `BenchmarkError` unless every connection succeeded."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        result = Result(**json.loads(self.line()))
        if result.failed:
            raise BenchmarkError(f"{result.failed} of {result.done + result.failed} connections failed")
        return result

    def line(self) -> str:
        """Return the next line that they say."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError("the clients gave up")
        return line


class Front:
    """
    A front that runs for as long as the context lasts, with a server of its own behind it, without TLS and with it.
    """

    def __init__(
        self,
        program: FrontProgram,
        place: Place,
        environment: dict[str, str] | None = None,
        *,
        start_seconds: float = _START_SECONDS,
    ) -> None:
        self._start_seconds = start_seconds
        self.name = program.name
        self._program = program
        self._place = place
        self._environment = environment or {}
        self._ports: dict[Leg, int] = {}
        self._stack = contextlib.ExitStack()
        self.pid = 0

    def __enter__(self) -> Front:
        with contextlib.ExitStack() as stack:
            backend_port = stack.enter_context(reserved_port())
            tls_port = stack.enter_context(reserved_port())
            self._ports = {leg: stack.enter_context(reserved_port()) for leg in get_args(Leg)}
            backend = self._place.folder / "backend"
            stack.enter_context(_running(_pinned([self._place.other_cpu], backend, str(backend_port))))
            environment = {f"PORT_{leg}": str(port) for leg, port in self._ports.items()} | {
                "BENCH": str(self._place.folder),
                "BACKEND": str(backend_port),
                "BACKEND_TLS": str(tls_port),
                "WORKERS": "1",
            }
            log = self._place.folder / f"{self.name}.log"
            output = stack.enter_context(log.open("wb"))
            stack.enter_context(
                _running(_pinned([self._place.other_cpu], _TLS_SERVER), env=os.environ | environment, output=output)
            )
            front = stack.enter_context(
                _running(
                    _pinned(self._place.front_cpus, self._program.executable),
                    env=os.environ | environment | self._environment,
                    output=output,
                )
            )
            for leg, port in self._ports.items():
                if leg not in _OPTIONAL_LEGS:
                    _await_listener(port, front, log, self._start_seconds)
            self.pid = front.pid
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(type_, value, traceback)

    def port(self, leg: Leg) -> int:
        """Return the port on 127.0.0.1 that clients connect to."""
        return self._ports[leg]

    @contextlib.contextmanager
    def clients(self, mode: Mode, leg: Leg, connections: int, amount: int) -> Iterator[Clients]:
        """Connect clients for as long as the context lasts; paced, `connections` is their number in a second."""
        arguments = [*_OPTIONS.get(leg, []), mode, str(self._ports[leg]), str(connections), str(amount)]
        command = _pinned([self._place.other_cpu], self._place.folder / "load", *arguments)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            clients = Clients(process)
            clients.line()
            yield clients
            # Their standard input ends here, and so do they.


def _pinned(cpus: Sequence[int], *command: str | Path) -> list[str | Path]:
    return ["taskset", "--cpu-list", ",".join(map(str, cpus)), *command]


@contextlib.contextmanager
def _running(
    command: list[str | Path], *, env: dict[str, str] | None = None, output: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Give a port that the kernel gives to nobody else, yet lets a server with SO_REUSEADDR listen on."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def _await_listener(port: int, front: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and front.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(_POLL_SECONDS)
        else:
            return
    raise BenchmarkError(f"it does not listen on port {port}; it said:\n{log.read_text()}")
