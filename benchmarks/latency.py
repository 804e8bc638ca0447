"""
How long a connection takes while a core is half busy: ``python -m benchmarks.latency``, mailproxy beside HAProxy.

First each front makes as many connections as it can, which says what rate one core bears: connections divided by CPU
time. Then clients connect at a share of the lower rate of the two, each at its time, whether or not earlier ones have
ended. Latency counts from that time to the greeting, so a front that stops for a while pays for all who waited.

As root, all of it goes before other programs of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

from attrs import frozen

from benchmarks import fronts, interpreter, only, programs, usage
from benchmarks.floods import go_first
from benchmarks.running import BenchmarkError, Front, Leg, Mode, Result

T = TypeVar("T")

TARGET = 1.2
"""The most that mailproxy's 99th percentile may be of HAProxy's."""

_AT_ONCE = 32
_CALIBRATIONS = 3
_CALIBRATION_CONNECTIONS = 3000

# What a front puts off, such as log lines, is to be done.
_SETTLE_SECONDS = 0.5


@frozen
class Work:
    """A kind of connection: how clients make as many as they can, and how at fixed times."""

    title: str
    leg: Leg
    most: Mode
    paced: Mode


WORKS: Mapping[str, Work] = {
    "plain": Work("without TLS", "PLAIN", "conn", "paced"),
    "conn": Work("full handshake P-256", "EC", "conn", "paced"),
    "resume": Work("resumed session", "EC", "resume", "paced-resume"),
}


@frozen
class Rate:
    """What one core bears of a front: connections per second of CPU time, and by the wall clock with all it can get."""

    of_core: float
    measured: float


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if something is missing or fails, else 0, whatever the ratios."""
    options = _parser().parse_args(arguments)
    go_first()
    try:
        programs.require()
        print(fronts.machine(interpreter.use(options.python), fronts.use(options.everything)), flush=True)
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailproxy-latency-")))
            place = fronts.prepare(folder)
            pair = [stack.enter_context(Front(program, place)) for program in (fronts.HAPROXY, fronts.MAILPROXY)]
            for name in options.only:
                for line in _compare(WORKS[name], pair, options):
                    print(line, flush=True)
    except (programs.Missing, BenchmarkError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measure (default %(default)s)")
    parser.add_argument("--share", type=float, default=0.5, help="of the rate that a core bears (default %(default)s)")
    only.add_option(parser, WORKS)
    interpreter.add_option(parser)
    fronts.add_option(parser)
    return parser


def _compare(work: Work, pair: Sequence[Front], options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines about one kind of connection."""
    rates = _interleaved(pair, _CALIBRATIONS, lambda front: _calibrate(work, front))
    most = {front: median(rate.of_core for rate in taken) for front, taken in rates.items()}
    rate = int(options.share * min(most.values()))
    yield f"{work.title}: " + ", ".join(
        f"{front} bears {most[front]:.0f} connections/s a core (with 32 clients at once it made "
        f"{median(rate.measured for rate in taken):.0f})"
        for front, taken in rates.items()
    )
    yield f"  at {rate} connections/s, {options.share:.0%} of the lower one; in ms, medians of {options.rounds} rounds:"
    results = _interleaved(pair, options.rounds, lambda front: _pace(work, front, rate, options.seconds))
    yield from table(results)


def _interleaved(pair: Sequence[Front], rounds: int, take: Callable[[Front], T]) -> Mapping[str, Sequence[T]]:
    taken: dict[str, list[T]] = {front.name: [] for front in pair}
    for number in range(rounds):
        # In every other round the other way round, so that no front is always the first.
        for front in reversed(pair) if number % 2 else pair:
            taken[front.name].append(take(front))
    return taken


def _calibrate(work: Work, front: Front) -> Rate:
    with front.clients(work.most, work.leg, _AT_ONCE, _CALIBRATION_CONNECTIONS) as clients:
        before = usage.cpu_time(front.pid)
        result = clients.work()
        time.sleep(_SETTLE_SECONDS)
        used = usage.cpu_time(front.pid) - before
    return Rate(result.done / used.total, result.done / result.seconds)


def _pace(work: Work, front: Front, rate: int, seconds: float) -> Result:
    with front.clients(work.paced, work.leg, rate, int(rate * seconds)) as clients:
        result = clients.work()
    time.sleep(_SETTLE_SECONDS)
    return result


_FIGURES: Mapping[str, Callable[[Result], float]] = {
    "mean": lambda result: result.mean,
    "p50": lambda result: result.p50,
    "p99": lambda result: result.p99,
}


def table(results: Mapping[str, Sequence[Result]]) -> Iterator[str]:
    """Yield a line for each figure: in ms of each front, and the last front's as a multiple of the first one's."""
    first, *_, last = results
    yield f"  {'':20}" + "".join(f"{front:>10}" for front in results) + f"  {last}/{first} (range)"
    for name, figure in _FIGURES.items():
        ratios = [figure(ours) / figure(theirs) for ours, theirs in zip(results[last], results[first], strict=True)]
        verdict = ""
        if name == "p99":
            verdict = f"  <= {TARGET:g} {'met' if median(ratios) <= TARGET else 'missed'}"
        yield (_line(name, figure, results) + f"  {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}){verdict}")
    yield _line("clients late, p99", lambda result: result.delay_p99, results)


def _line(name: str, figure: Callable[[Result], float], results: Mapping[str, Sequence[Result]]) -> str:
    columns = (median(figure(result) for result in taken) * 1000 for taken in results.values())
    return f"  {name:20}" + "".join(f"{column:10.2f}" for column in columns)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
