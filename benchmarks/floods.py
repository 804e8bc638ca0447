"""
What floods do to others: ``python -m benchmarks.floods`` (docs/limits.md and docs/bans.md have its figures).

Flood: 500 addresses connect 2,000 times a second, over their limit or banned, while other clients log in over TLS 100
times a second. The bans are in a list, or in the file of bans, with 100,000 other addresses. Storm: thousands of
clients with TLS (``load.c``) connect at the same moment, as after a failure of the network, with and without a limit on
handshakes at once. All of it is on loopback, with one process of mailproxy on the first CPU, and the clients on the
last one. As root, mailproxy and the clients go before other programs of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import multiprocessing
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from attrs import define, frozen

from benchmarks import programs
from benchmarks.certificates import SERVER_NAME, make_certificates
from benchmarks.running import Result, reserved_port

_START_SECONDS = 30.0
_PATIENCE_SECONDS = 60.0
_FLOODING = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(500)]
_FIRST = "127.0.0.1"

# Linux: the port is chosen at connect, so that each address has all ports (ip(7)).
_IP_BIND_ADDRESS_NO_PORT = 24

FILE = """
[tls.default]
certificates = ["{folder}/ec.pem"]

[frontend.imaps]
bind = ["127.0.0.1:{port}"]
protocol = "imap"
backend = "mail"

{more}

[backend.mail.server.one]
address = "127.0.0.1:{server}"
"""


@frozen
class Logins:
    """What clients met: how long each took from connect to the answer to its command, and how many failed."""

    seconds: list[float]
    failed: int

    def percentile(self, share: float) -> float:
        """Return the time in milliseconds that this share of the clients does not exceed."""
        times = sorted(self.seconds)
        return times[min(int(len(times) * share), len(times) - 1)] * 1000


@define
class _Client:
    sock: socket.socket
    due: float
    step: int = 0
    """0: it connects; 1: its handshake; 2: it waits for the greeting; 3: for the answer."""


class Clients:
    """Clients that connect when they are due, shake hands, are greeted, say a command, and leave."""

    def __init__(self, port: int, rate: float, count: int) -> None:
        self._port = port
        self._rate = rate
        self._count = count
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._seconds: list[float] = []
        self._failed = 0

    def run(self) -> Logins:
        """Run them all; one that has not finished after a minute has failed."""
        began = time.monotonic()
        begun = 0
        end = began + self._count / self._rate + _PATIENCE_SECONDS
        while (begun < self._count or self._clients) and time.monotonic() < end:
            while begun < self._count and time.monotonic() >= began + begun / self._rate:
                self._connect(began + begun / self._rate)
                begun += 1
            for descriptor, _ in self._epoll.poll(0.001, 256):
                self._go_on(self._clients[descriptor])
        return Logins(self._seconds, self._failed + len(self._clients))

    def _connect(self, due: float) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((_FIRST, 0))
        sock.connect_ex((_FIRST, self._port))
        self._clients[sock.fileno()] = _Client(sock, due)
        self._epoll.register(sock.fileno(), select.EPOLLOUT)

    def _go_on(self, client: _Client) -> None:
        descriptor = client.sock.fileno()
        try:
            if self._steps(client):
                self._seconds.append(time.monotonic() - client.due)
            else:
                return
        except ssl.SSLWantReadError:
            self._epoll.modify(descriptor, select.EPOLLIN)
            return
        except ssl.SSLWantWriteError:
            self._epoll.modify(descriptor, select.EPOLLOUT)
            return
        except (OSError, EOFError):
            self._failed += 1
        del self._clients[descriptor]
        client.sock.close()

    def _steps(self, client: _Client) -> bool:
        """Go on as far as possible; True after the last answer."""
        if client.step == 0:
            client.sock = self._context.wrap_socket(
                client.sock, server_hostname=SERVER_NAME, do_handshake_on_connect=False
            )
            client.step = 1
        assert isinstance(client.sock, ssl.SSLSocket)
        if client.step == 1:
            client.sock.do_handshake()
            client.step = 2
        while client.step < 4:
            if not client.sock.recv(4096):
                raise EOFError
            client.step += 1
            if client.step == 3:
                client.sock.send(b"a NOOP\r\n")
        return True


def flood(port: int, rate: float, told: Connection) -> None:
    """Connect from all flooding addresses in turn until told to stop; tell how many were closed at once."""
    epoll = select.epoll()
    waiting: dict[int, socket.socket] = {}
    began, begun, closed, failed = time.monotonic(), 0, 0, 0
    while not told.poll():
        now = time.monotonic()
        while now >= began + begun / rate:
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((_FLOODING[begun % len(_FLOODING)], 0))
            begun += 1
            if sock.connect_ex((_FIRST, port)) not in (0, errno.EINPROGRESS):
                failed += 1
                sock.close()
                continue
            waiting[sock.fileno()] = sock
            epoll.register(sock.fileno(), select.EPOLLIN)
        for descriptor, _ in epoll.poll(0.001, 512):
            epoll.unregister(descriptor)
            waiting.pop(descriptor).close()
            closed += 1
    told.send((begun, closed, failed, time.monotonic() - began))


@contextlib.contextmanager
def flooding(port: int, rate: float, figures: list[tuple[int, int, int, float]]) -> Iterator[None]:
    """Have a flood in the `with` block."""
    ours, its = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(target=flood, args=(port, rate, its))
    process.start()
    try:
        yield
        ours.send("stop")
        figures.append(ours.recv())
    finally:
        process.kill()
        process.join()


def go_first() -> None:
    """Let this process, and what it starts, go before other programs of the machine, if that is allowed."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))


@contextlib.contextmanager
def front(folder: Path, more: str) -> Iterator[tuple[int, int]]:
    """Run mailproxy with more tables, such as limits or bans; yield its port and its process's id."""
    with reserved_port() as port, reserved_port() as server, contextlib.ExitStack() as stack:
        file = folder / "mailproxy.toml"
        file.write_text(FILE.format(folder=folder, port=port, server=server, more=more))
        cpus = sorted(os.sched_getaffinity(0))
        for cpu, command in (
            (cpus[-1], [str(folder / "backend"), str(server)]),
            (cpus[0], [sys.executable, "-m", "mailproxy", "run", "-c", str(file)]),
        ):
            log = stack.enter_context((folder / "log").open("ab"))
            process = subprocess.Popen(
                ["taskset", "--cpu-list", str(cpu), *command], stdout=log, stderr=log, preexec_fn=go_first
            )
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGTERM)
        _await(port)
        yield port, process.pid


def _await(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with socket.create_connection((_FIRST, port)):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


LIMITED = """
[frontend.imaps.limits]
source-rate = "1/1m"
source-connections = 1000
exempt = ["127.0.0.1"]
"""

LISTED = """
[bans]
lists = ["@{folder}/list"]
"""

BANNED = """
[bans]
file = "{folder}/bans.json"
"""


FLOODS = {"limited": LIMITED, "listed": LISTED, "banned": BANNED}
"""What refuses the flooding addresses, by kind."""


def write_bans(folder: Path) -> None:
    """Write the flooding addresses into a list, and into a file of bans, each among 100,000 others."""
    others = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(100_000)]
    (folder / "list").write_text("\n".join((*others, *_FLOODING)))
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds").replace("+00:00", "Z")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    ban = {"origin": "ctl", "since": now, "until": until, "reason": "flood"}
    rows = [json.dumps({"network": address, **ban}) for address in (*others, *_FLOODING)]
    (folder / "bans.json").write_text(f'{{"version": 1, "written": "{now}", "bans": [\n' + ",\n".join(rows) + "\n]}\n")


def measure_flood(folder: Path, kind: str, refusals: str, seconds: float) -> bool:
    """Compare the logins of a quiet time with those during a flood; True if the targets are met."""
    count = int(100 * seconds)
    with front(folder, refusals.format(folder=folder)) as (port, _):
        Clients(port, 100.0, 100).run()  # the first ones find nothing in any cache
        quiet = Clients(port, 100.0, count).run()
        figures: list[tuple[int, int, int, float]] = []
        with flooding(port, 2000.0, figures):
            time.sleep(1.0)
            loud = Clients(port, 100.0, count).run()
    ((begun, closed, failed, lasted),) = figures
    print(
        f"flood, {kind}: {begun / lasted:.0f} connections/s from {len(_FLOODING)} addresses, "
        f"{closed} closed, {failed} failed"
    )
    for name, one in (("quiet", quiet), ("flood", loud)):
        print(
            f"  {name}: {len(one.seconds)} logins, {one.failed} failed, "
            f"p50 {one.percentile(0.5):.1f} ms, p99 {one.percentile(0.99):.1f} ms"
        )
    print(f"  p99 is {loud.percentile(0.99) / quiet.percentile(0.99):.2f} of the quiet one")
    if closed < 0.9 * begun:
        print("  the flood was not refused")
        return False
    return not loud.failed and loud.percentile(0.99) < 3 * quiet.percentile(0.99)


def storm(folder: Path, port: int, count: int) -> Result:
    """Let all clients come at once."""
    command = ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0))), str(folder / "load"), "conn", str(port)]
    with subprocess.Popen(
        [*command, str(count), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()  # one client has come and gone
        process.stdin.write("go\n")
        process.stdin.flush()
        result = Result(**json.loads(process.stdout.readline()))
        process.stdin.close()
    return result


def measure_storm(folder: Path, count: int, rounds: int) -> bool:
    """Let all clients come at once, with and without a limit on handshakes; True if the targets are met."""
    whole: dict[str, list[float]] = {}
    failed = 0
    for _ in range(rounds):
        for limits in ("", "handshakes = 200"):
            with front(folder, f"[frontend.imaps.limits]\n{limits}") as (port, _):
                result = storm(folder, port, count)
            failed += result.failed
            whole.setdefault(limits, []).append(result.seconds)
            print(
                f"storm: {count} clients, {limits or 'no limit'}: {result.done} served, {result.failed} failed, "
                f"{result.seconds:.2f} s in all; p50 {result.p50:.2f} s, p99 {result.p99:.2f} s"
            )
    without, limited = (median(seconds) for seconds in whole.values())
    print(f"  with the limit it takes {limited / without:.2f} of the time")
    return not failed and limited < 1.05 * without


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floods", description=__doc__.splitlines()[1])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half of the flood (default %(default)s)")
    parser.add_argument("--only", help="what to measure, separated by commas: limited,listed,banned,storm")
    parser.add_argument("--clients", type=int, default=5000, help="of the storm (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of the storm (default %(default)s)")
    options = parser.parse_args(arguments)
    programs.require()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))} | {min(os.sched_getaffinity(0))})
    go_first()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificates(folder)
        programs.compile_into(folder)
        write_bans(folder)
        only = options.only.split(",") if options.only else [*FLOODS, "storm"]
        good = [measure_flood(folder, kind, FLOODS[kind], options.seconds) for kind in only if kind in FLOODS]
        if "storm" in only:
            good.append(measure_storm(folder, options.clients, options.rounds))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
