"""
What workers cost: ``python -m benchmarks.workers``, beside one process.

It compares the CPU time of a connection with two workers, and the memory of an idle TLS connection with four.
All processes of mailproxy count, main process and forker included. What time they need without clients, for timers and
checks of servers, is measured before, printed, and subtracted. Clients and server share the last CPU with the front,
which may run on all CPUs of this process, or on the first alone.

As root, all of it goes before other programs of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from attrs import evolve, frozen

from benchmarks import fronts, interpreter, only, programs, usage
from benchmarks.floods import go_first
from benchmarks.measures import IdleMemory
from benchmarks.running import BenchmarkError, Front, Leg, Mode, Place
from benchmarks.usage import CpuTime

TARGET = 1.05
"""The most time that a connection may cost with workers, in terms of one process."""

MEMORY_TARGET = 1.10
"""The most memory of an idle connection, likewise."""

MEMORY_WORKERS = 4
IDLE = 9_900
"""The idle connections. With one process, each needs two of the 20,000 descriptors that a machine may allow."""

_IDLE_SECONDS = 5.0
_SETTLE_SECONDS = 1.0


@frozen
class Work:
    """A kind of connection, and how many of them make a measure."""

    title: str
    mode: Mode
    leg: Leg
    amount: int


WORKS: Mapping[str, Work] = {
    "plain": Work("without TLS", "conn", "PLAIN", 20_000),
    "conn": Work("full handshake P-256", "conn", "EC", 5000),
    "resume": Work("resumed session", "resume", "EC", 5000),
}

MEMORY = "memory"


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if something is missing or fails, else 0, whatever the ratios."""
    options = _parser().parse_args(arguments)
    go_first()
    try:
        programs.require()
        print(fronts.machine(interpreter.use(options.python), fronts.use(options.everything)), flush=True)
        with contextlib.ExitStack() as stack:
            place = fronts.prepare(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailproxy-workers-"))))
            if not options.one_cpu:
                place = evolve(place, front_cpus=sorted(os.sched_getaffinity(0)))
            if MEMORY in options.only:
                print(_compare_memory(place, options), flush=True)
            works = [WORKS[name] for name in options.only if name in WORKS]
            if not works:
                return 0
            numbers = (1, options.workers)
            running = [
                stack.enter_context(Front(evolve(fronts.MAILPROXY, name=f"{number}"), place, {"WORKERS": str(number)}))
                for number in numbers
            ]
            for front in running:
                _take(front, WORKS["plain"], 1000, options.at_once)  # what only the first connections need
            idle = [_idle_share(front) for front in running]
            print(f"without clients: {idle[0]:.2%} of a core, with {options.workers} workers {idle[1]:.2%}")
            print(f"{'':24}{'one':>8}{'user':>8}{'system':>8}{'workers':>10}{'user':>8}{'system':>8}  ratio (range)")
            for work in works:
                print(_compare(work, running, idle, options), flush=True)
    except (programs.Missing, BenchmarkError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"µs of CPU time for a connection, load average {os.getloadavg()[0]:.1f}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__.splitlines()[1])
    parser.add_argument("--workers", type=int, default=2, help="beside one process (default %(default)s)")
    parser.add_argument("--idle", type=int, default=IDLE, help="connections for memory (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (default %(default)s)")
    parser.add_argument("--at-once", type=int, default=32, help="clients (default %(default)s)")
    parser.add_argument("--one-cpu", action="store_true", help="the front has the first CPU alone")
    only.add_option(parser, [MEMORY, *WORKS])
    interpreter.add_option(parser)
    fronts.add_option(parser)
    return parser


def _compare_memory(place: Place, options: argparse.Namespace) -> str:
    idle = IdleMemory(MEMORY, "idle TLS connection", "EC", options.idle)
    costs = []
    for number in (1, MEMORY_WORKERS):
        with Front(evolve(fronts.MAILPROXY, name=f"{number}"), place, {"WORKERS": str(number)}) as front:
            _take(front, WORKS["plain"], number, number)  # checks of servers have begun
            costs.append(idle.take(front).cost)
    ratio = costs[1] / costs[0]
    verdict = "met" if ratio <= MEMORY_TARGET else "missed"
    return (
        f"{options.idle} idle TLS connections: {costs[0]:.0f} bytes each, with {MEMORY_WORKERS} workers "
        f"{costs[1]:.0f}, {ratio:.3f} <= {MEMORY_TARGET:g} {verdict}"
    )


def _compare(work: Work, running: Sequence[Front], idle: Sequence[float], options: argparse.Namespace) -> str:
    taken: list[list[CpuTime]] = [[] for _ in running]
    ratios = []
    for round_ in range(options.rounds):
        order = range(len(running))
        # In every other round the other way round, so that none is always the first.
        for number in reversed(order) if round_ % 2 else order:
            taken[number].append(_cost(running[number], work, options.at_once, idle[number]))
        ratios.append(taken[1][-1].total / taken[0][-1].total)
    columns = "".join(
        f"{median(cost.total for cost in costs):{10 if number else 8}.1f}"
        f"{median(cost.user for cost in costs):8.1f}{median(cost.system for cost in costs):8.1f}"
        for number, costs in enumerate(taken)
    )
    ratio = median(ratios)
    verdict = "met" if ratio <= TARGET else "missed"
    return f"{work.title:24}{columns}  {ratio:.3f} ({min(ratios):.3f}-{max(ratios):.3f}) <= {TARGET:g} {verdict}"


def _cost(front: Front, work: Work, at_once: int, idle: float) -> CpuTime:
    """Return the microseconds of one connection; what the front needs without clients counts by its share."""
    used, seconds = _take(front, work, work.amount, at_once)
    kept = 1 - idle * seconds / used.total
    return CpuTime(used.user * kept * 1e6 / work.amount, used.system * kept * 1e6 / work.amount)


def _take(front: Front, work: Work, amount: int, at_once: int) -> tuple[CpuTime, float]:
    with front.clients(work.mode, work.leg, at_once, amount) as clients:
        time.sleep(_SETTLE_SECONDS)
        before, began = usage.cpu_time(front.pid), time.monotonic()
        clients.work()
        time.sleep(_SETTLE_SECONDS)
        return usage.cpu_time(front.pid) - before, time.monotonic() - began


def _idle_share(front: Front) -> float:
    before, began = usage.cpu_time(front.pid), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return (usage.cpu_time(front.pid) - before).total / (time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
