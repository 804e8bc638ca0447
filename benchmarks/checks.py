"""
What health checks cost: ``python -m benchmarks.checks`` (docs/benchmarks.md tells how to read it).

A process does nothing but check servers, with the reactor, the probers and the checks that mailproxy has. All servers
are one small program on loopback (``backend.c``), which reads the header, greets, and says goodbye.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from attrs import define, frozen

from benchmarks import programs
from benchmarks.running import reserved_port
from mailproxy import config
from mailproxy.announce.header import HeaderPolicy
from mailproxy.checks.factory import make_check
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.pace import Pace
from mailproxy.checks.prober import Prober
from mailproxy.checks.timeouts import Timeouts
from mailproxy.front.collector import quiet_collector
from mailproxy.transport.outgoing import Target
from mailproxy.transport.poller import Poller
from mailproxy.transport.reactor import PollerReactor, install

PROTOCOLS = 5
"""Probers per server; all of them speak IMAP, as the program does that they check."""

WARM_UP_SECONDS = 3.0
TARGET_SHARE = 0.10
TARGET_BLOCKING_SECONDS = 0.001

_CHECK = config.Check(type="mail", inter=2.0, timeout=1.0, header="local")


@frozen
class Figures:
    """What was measured in one process."""

    servers: int
    checks: int
    failures: int
    seconds: float
    cpu: float
    blockings: list[float]
    """CPU time of each turn of the reactor, what it does between two waits: others wait so long, at least."""
    longest: float
    """The longest time that passed meanwhile: on a busy machine, also while others had the CPU."""


@define
class Count:
    """The outcomes that probers reported, by number."""

    checks: int = 0
    failures: int = 0

    def record(self, outcome: Outcome) -> None:
        self.checks += 1
        self.failures += not outcome.ok


class TimedEpoll:
    """An epoll object that writes down how long its owner was away."""

    def __init__(self, epoll: Any) -> None:
        self._epoll = epoll
        self.forget()

    def forget(self) -> None:
        self.used: list[float] = []
        self.longest = 0.0
        self._back = time.perf_counter()
        self._cpu = time.thread_time()

    def poll(self, seconds: float, events: int) -> Any:
        self.used.append(time.thread_time() - self._cpu)
        self.longest = max(self.longest, time.perf_counter() - self._back)
        ready = self._epoll.poll(seconds, events)
        self._back = time.perf_counter()
        self._cpu = time.thread_time()
        return ready

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)


def measure(servers: int, seconds: float, port: int) -> Figures:
    """Check this number of servers for this time, after a warm-up."""
    # There is no other place between the reactor's waiting and everything else.
    epoll = TimedEpoll(select.epoll())
    reactor: Any = install(Poller(epoll=cast(select.epoll, epoll)))
    assert isinstance(reactor, PollerReactor)
    policy = HeaderPolicy(config.Backend(name="b", servers=()), "imap")
    check = make_check(
        _CHECK,
        "imap",
        send_proxy="v2-ssl",
        policy=policy,
        host="benchmark.example",
        reactor=reactor,
        poller=reactor.poller,
        timeouts=Timeouts(reactor),
    )
    count, pace = Count(), Pace()
    for _ in range(servers * PROTOCOLS):
        Prober(Server(port), _CHECK, check, count.record, clock=reactor, pace=pace).start()
    quiet_collector()
    begun: list[tuple[float, float, Count]] = []

    def begin() -> None:
        epoll.forget()
        count.checks = count.failures = 0
        begun.append((time.monotonic(), time.process_time(), count))

    reactor.callLater(WARM_UP_SECONDS, begin)
    reactor.callLater(WARM_UP_SECONDS + seconds, reactor.stop)
    reactor.run()
    ((start, cpu, _),) = begun
    return Figures(
        servers,
        count.checks,
        count.failures,
        time.monotonic() - start,
        time.process_time() - cpu,
        sorted(epoll.used),
        epoll.longest,
    )


class Server:
    """A server that is never marked up or down."""

    health = None
    state = "ready"

    def __init__(self, port: int) -> None:
        self.target = Target(socket.AF_INET, ("127.0.0.1", port))


@contextmanager
def mail_server(folder: Path, cpu: int) -> Iterator[int]:
    """Run the program that is checked; yield its port."""
    with reserved_port() as port:
        command = ["taskset", "--cpu-list", str(cpu), str(folder / "backend"), str(port)]
        with subprocess.Popen(command) as process:
            try:
                _until_it_listens(port)
                yield port
            finally:
                process.terminate()


def _until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def report(figures: Figures) -> Iterator[str]:
    """Say it in lines."""
    share = figures.cpu / figures.seconds
    over = sum(1 for seconds in figures.blockings if seconds > TARGET_BLOCKING_SECONDS)
    often = figures.blockings[int(len(figures.blockings) * 0.999)]
    yield (
        f"{figures.servers} servers, {figures.servers * PROTOCOLS} probers: "
        f"{figures.checks / figures.seconds:.0f} checks/s, {figures.failures} failed"
    )
    yield (
        f"  CPU {figures.cpu / max(figures.checks, 1) * 1e6:.0f} µs a check, {share:.1%} of a core "
        f"(target for 100 servers: {TARGET_SHARE:.0%})"
    )
    yield (
        f"  reactor blocked for {figures.blockings[-1] * 1e3:.2f} ms at most, "
        f"99.9th percentile {often * 1e3:.2f} ms, {over} of {len(figures.blockings)} turns over "
        f"{TARGET_BLOCKING_SECONDS * 1e3:g} ms; with whatever else ran on the CPU, {figures.longest * 1e3:.2f} ms"
    )


def main() -> int:
    """Measure 100 and 1,000 servers, each in a process of its own; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checks", description=__doc__)
    parser.add_argument("--servers", type=int, nargs="*", default=[100, 1000], help="how many (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure (default %(default)s)")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if arguments.port is not None:
        for line in report(measure(arguments.servers[0], arguments.seconds, arguments.port)):
            print(line)
        return 0
    # As root, before everything else on these CPUs: a process that had to wait for its turn has much to do at once.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    with tempfile.TemporaryDirectory(prefix="mailproxy-benchmarks-") as folder:
        try:
            programs.require()
        except programs.Missing as missing:
            print(missing, file=sys.stderr)
            return 1
        programs.compile_into(Path(folder))
        with mail_server(Path(folder), cpus[-1]) as port:
            for servers in arguments.servers:
                command = ["taskset", "--cpu-list", str(cpus[0]), sys.executable, "-m", "benchmarks.checks"]
                options = ["--servers", str(servers), "--seconds", str(arguments.seconds), "--port", str(port)]
                subprocess.run([*command, *options], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
