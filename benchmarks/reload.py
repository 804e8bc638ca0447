"""
What a reload costs sessions: ``python -m benchmarks.reload`` (docs/benchmarks.md tells how to read it).

A client makes round trips at a steady rate over TLS, while mailproxy reloads again and again beside it, with thousands
of certificates. A round trip is late from when it was due, so that one long pause is not counted once alone.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks import programs
from benchmarks.certificates import certificate_of, replace
from benchmarks.checks import mail_server
from benchmarks.running import reserved_port
from mailproxy.cli import main as main_of_mailproxy

RATE = 200.0
"""Round trips a second."""

TARGET_SECONDS = 0.005
"""The 99th percentile may be so much more during reloads than without."""

FIRST, SECOND = 2, 1
"""Priorities, as root: before everything else on these CPUs, and the thread that reads behind the one that serves."""

_START_SECONDS = 120.0
_RELOAD_SECONDS = 120.0

_FILE = """
[log]
level = "info"

[tls.default]
certificates = ["{folder}/tls/*.pem"]

[frontend.imaps]
bind = ["127.0.0.1:{port}"]
protocol = "imap"
backend = "server"

[backend.server]
check = {{ type = "none" }}

[backend.server.server.only]
address = "127.0.0.1:{backend}"
"""


@frozen
class Figures:
    """What one client saw while something went on."""

    what: str
    latencies: Sequence[float]
    reloads: int
    reload_seconds: float
    """How long each took, from the signal to the line that says it is done."""

    def percentile(self, share: float) -> float:
        """Return the latency that this share of the round trips does not exceed."""
        return sorted(self.latencies)[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


class Certificates:
    """Two certificates for each of many names, one of which is in the name's file."""

    def __init__(self, folder: Path, count: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._pairs = {
            folder / f"{name}.pem": [certificate_of(key, name), certificate_of(key, name)]
            for name in (f"n{number}.example.org" for number in range(count))
        }
        folder.mkdir()
        self._turn(self._pairs)

    def renew_one(self) -> None:
        """Put another certificate in the place of one."""
        self._turn([random.choice(list(self._pairs))])

    def renew_all(self) -> None:
        """Put other certificates in the place of all."""
        self._turn(self._pairs)

    def _turn(self, paths: Iterable[Path]) -> None:
        for path in paths:
            pair = self._pairs[path]
            pair.reverse()
            replace(path, pair[0])


class Front:
    """A running mailproxy with many certificates."""

    def __init__(self, certificates: Certificates, folder: Path, process: subprocess.Popen[bytes], port: int) -> None:
        self.certificates = certificates
        self._folder = folder
        self._process = process
        self._port = port
        self._reloads = 0

    def said(self, words: bytes) -> int:
        """Return how often its log has these words."""
        return (self._folder / "log").read_bytes().count(words)

    def until_said(self, words: bytes, count: int, seconds: float) -> None:
        """Wait for the log."""
        deadline = time.monotonic() + seconds
        while self.said(words) < count:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit((self._folder / "log").read_text()[-2000:])
            time.sleep(0.005)

    def reload(self) -> float:
        """Reload, and return how long it took."""
        self._reloads += 1
        began = time.monotonic()
        self._process.send_signal(signal.SIGHUP)
        self.until_said(b" reloaded", self._reloads, _RELOAD_SECONDS)
        return time.monotonic() - began

    def connect(self) -> ssl.SSLSocket:
        """Bring a client to the server's greeting."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = socket.create_connection(("127.0.0.1", self._port), 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = context.wrap_socket(sock, server_hostname="n1.example.org")
        client.recv(4096)
        return client


def round_trips(client: ssl.SSLSocket, is_over: Callable[[], bool]) -> list[tuple[float, float]]:
    """Make round trips at a steady rate until it is over; return when each was due, and when the answer came."""
    trips = []
    due = time.monotonic()
    while not is_over():
        due += 1 / RATE
        time.sleep(max(due - time.monotonic(), 0.0))
        client.sendall(b"a NOOP\r\n")
        client.recv(4096)
        trips.append((due, time.monotonic()))
    return trips


def measure(front: Front, what: str, seconds: float, between: Callable[[], object] | None) -> Figures:
    """
    Make round trips for so long, with reloads meanwhile; `between` is done before each, None: there are none.

    Only round trips that are under way during a reload count.
    """
    reloads: list[tuple[float, float]] = []
    end = time.monotonic() + seconds
    with front.connect() as client:
        if between is None:
            trips = round_trips(client, lambda: time.monotonic() > end)
            return Figures(what, [answer - due for due, answer in trips], 0, 0.0)

        def reload() -> None:
            while time.monotonic() < end:
                between()
                began = time.monotonic()
                taken = front.reload()
                reloads.append((began, began + taken))
                # The kernel stops a real-time thread that takes more than 95 % of a CPU, for 50 ms each time.
                time.sleep(taken)

        thread = threading.Thread(target=reload)
        thread.start()
        trips = round_trips(client, lambda: not thread.is_alive())
    latencies = [answer - due for due, answer in trips if any(due < over and answer > began for began, over in reloads)]
    return Figures(what, latencies, len(reloads), sum(over - began for began, over in reloads) / len(reloads))


def go_first(priority: int) -> None:
    """Let this thread, and what it starts, run before other programs; PermissionError unless we are root."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


class Thread(threading.Thread):
    """A thread that lets the one with the reactor go first, as the kernel does anyway on a machine that is idle."""

    def run(self) -> None:
        """Do what it is for."""
        with suppress(PermissionError):
            go_first(SECOND)
        super().run()


def run_front(file: str) -> int:
    """Run mailproxy in this process."""
    threading.Thread = Thread  # type: ignore[misc]  # for all threads that it begins
    return main_of_mailproxy(["run", "-c", file])


@contextmanager
def running(folder: Path, certificates: int, cpu: int, backend: int) -> Iterator[Front]:
    """Run mailproxy with this number of certificates."""
    made = Certificates(folder / "tls", certificates)
    with reserved_port() as port, (folder / "log").open("wb") as log:
        file = folder / "mailproxy.toml"
        file.write_text(_FILE.format(folder=folder, port=port, backend=backend))
        command = ["taskset", "--cpu-list", str(cpu), sys.executable, "-m", "benchmarks.reload", "--front", str(file)]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                front = Front(made, folder, process, port)
                front.until_said(b" ready", 1, _START_SECONDS)
                yield front
            finally:
                process.terminate()


def report(all_figures: Sequence[Figures]) -> Iterator[str]:
    """Say it in lines."""
    quiet = all_figures[0]
    for figures in all_figures:
        reloads = f"{figures.reloads} reloads of {figures.reload_seconds:.2f} s" if figures.reloads else "no reload"
        more = figures.percentile(0.99) - quiet.percentile(0.99)
        yield (
            f"{figures.what}: {len(figures.latencies)} round trips, {reloads}; "
            f"p50 {figures.percentile(0.5) * 1e3:.2f} ms, p99 {figures.percentile(0.99) * 1e3:.2f} ms "
            f"({more * 1e3:+.2f}), at most {figures.percentile(1.0) * 1e3:.1f} ms"
        )
    worst = max(figures.percentile(0.99) for figures in all_figures) - quiet.percentile(0.99)
    verdict = "met" if worst <= TARGET_SECONDS else "missed"
    yield f"p99 during reloads: {worst * 1e3:+.2f} ms, target {TARGET_SECONDS * 1e3:+g} ms: {verdict}"


def main() -> int:
    """Measure without reloads, and with three kinds of them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reload", description=__doc__)
    parser.add_argument("--certificates", type=int, default=2000, help="how many (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each, at least (default %(default)s)")
    parser.add_argument("--front", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if arguments.front is not None:
        return run_front(arguments.front)
    os.sched_setaffinity(0, {cpus[-1]})
    sys.setswitchinterval(0.0001)  # the client's thread is not to wait for the one that renews certificates
    with suppress(PermissionError):
        go_first(FIRST)
    with tempfile.TemporaryDirectory(prefix="mailproxy-benchmarks-") as name:
        folder = Path(name)
        try:
            programs.require()
        except programs.Missing as missing:
            print(missing, file=sys.stderr)
            return 1
        programs.compile_into(folder)
        with (
            mail_server(folder, cpus[-1]) as backend,
            running(folder, arguments.certificates, cpus[0], backend) as front,
        ):
            print(f"{arguments.certificates} certificates, {RATE:g} round trips a second")
            figures = [
                measure(front, "quiet", arguments.seconds, None),
                measure(front, "nothing new", arguments.seconds, lambda: None),
                measure(front, "one renewed", arguments.seconds, front.certificates.renew_one),
                measure(front, "all renewed", arguments.seconds, front.certificates.renew_all),
            ]
            for line in report(figures):
                print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
