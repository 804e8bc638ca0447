"""
``python -m benchmarks.instructions``: the instructions of the front's own code for one unit of work.

On a machine with neighbours, CPU times of the same code differ by a quarter from run to run. The number of instructions
in user mode does not: valgrind counts it. It leaves out the kernel and the processor's caches, so it compares two
versions of mailproxy, not mailproxy with HAProxy.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from benchmarks import interpreter, only, programs
from benchmarks.certificates import make_certificates
from benchmarks.running import BenchmarkError, Front, FrontProgram, Leg, Mode, Place

_HERE = Path(__file__).parent

# Python under valgrind is about fifty times slower.
_START_SECONDS = 300.0

_SETTLE_SECONDS = 3.0

# Timers and checks of servers go on during the work, for longer on a busy machine: what they need is subtracted.
_IDLE_SECONDS = 10.0

_TOTALS = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


@frozen
class Work:
    """Work to count: what clients do, how many at once, and how often in all."""

    title: str
    mode: Mode
    leg: Leg
    at_once: int
    amount: int


WORKS: Mapping[str, Work] = {
    "conn": Work("full handshake P-256", "conn", "EC", 8, 200),
    "resume": Work("resumed session", "resume", "EC", 8, 200),
    "plain": Work("connection without TLS", "conn", "PLAIN", 8, 400),
    "ping": Work("round trip of a line, TLS", "ping", "EC", 4, 2000),
}


def main() -> int:
    """Print a table: a row for each kind of work, a column for each checkout; return the exit status."""
    arguments = _parser().parse_args()
    checkouts: Sequence[Path] = [_HERE.parent, *arguments.checkout]
    try:
        programs.require()
        print(interpreter.use(arguments.python), flush=True)
        if shutil.which("valgrind") is None:
            raise programs.Missing("missing: apt-get install valgrind")
        with tempfile.TemporaryDirectory(prefix="mailproxy-instructions-") as name:
            folder = Path(name)
            programs.compile_into(folder)
            make_certificates(folder)
            cpus = sorted(os.sched_getaffinity(0))
            place = Place(folder, cpus[:1], cpus[-1])
            columns = [_count_all(checkout, arguments, place) for checkout in checkouts]
            if arguments.extra is not None:
                columns.insert(0, _count_all(checkouts[0], arguments, place, arguments.extra))
    except (programs.Missing, BenchmarkError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"thousands of instructions, workers: {arguments.workers}")
    for name in arguments.only:
        costs = [column[name] for column in columns]
        ratios = "".join(f"{cost / 1e3:10.1f} {cost / costs[-1]:6.3f}" for cost in costs)
        print(f"{name:8} {WORKS[name].title:28}{ratios}")
    names = [str(checkout) for checkout in checkouts]
    if arguments.extra is not None:
        names.insert(0, f"{checkouts[0]} with {arguments.extra.name}")
    for number, name in enumerate(names, 1):
        print(f"column {number}: {name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument(
        "--checkout",
        type=lambda path: Path(path).resolve(),
        action="append",
        default=[],
        metavar="FOLDER",
        help="count another checkout, with its own .venv, as well",
    )
    parser.add_argument(
        "--extra",
        type=lambda path: Path(path).resolve(),
        metavar="FILE",
        help="count this checkout once more, with this added to the configuration, such as benchmarks/ten-rules.toml",
    )
    only.add_option(parser, WORKS)
    interpreter.add_option(parser)
    parser.add_argument("--workers", type=int, default=1, help="the number of processes (default %(default)s)")
    parser.add_argument("--callgrind", type=Path, metavar="FOLDER", help="keep callgrind's files there")
    return parser


def _count_all(
    checkout: Path, arguments: argparse.Namespace, place: Place, extra: Path | None = None
) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="mailproxy-callgrind-") as made:
        folder = arguments.callgrind or Path(made)
        folder.mkdir(exist_ok=True)
        under = f"valgrind --tool=callgrind --trace-children=yes --callgrind-out-file={folder}/out.%p"
        environment = {"ROOT": str(checkout), "UNDER": under, "WORKERS": str(arguments.workers)}
        if extra is not None:
            environment["EXTRA"] = str(extra)
        program = FrontProgram("mailproxy", _HERE / "front")
        with Front(program, place, environment, start_seconds=_START_SECONDS) as front:
            _work(front, WORKS["conn"], 16)  # what only the first connections need
            time.sleep(_SETTLE_SECONDS)
            with _zeroed(front.pid, folder) as idle:
                time.sleep(_IDLE_SECONDS)
            per_second = sum(idle.totals) / idle.seconds
            return {name: _count(front, WORKS[name], folder, per_second) for name in arguments.only}


def _count(front: Front, work: Work, folder: Path, idle_per_second: float) -> float:
    _work(front, work, work.at_once)
    time.sleep(_SETTLE_SECONDS)
    with _zeroed(front.pid, folder) as counted:
        _work(front, work, work.amount)
        time.sleep(_SETTLE_SECONDS)
    return (sum(counted.totals) - idle_per_second * counted.seconds) / work.amount


def _work(front: Front, work: Work, amount: int) -> None:
    with front.clients(work.mode, work.leg, work.at_once, amount) as clients:
        clients.work()


@define
class _Counted:
    """The instructions of some processes, and the seconds in which they were counted."""

    totals: list[int] = field(factory=list)
    seconds: float = 0.0


@contextmanager
def _zeroed(pid: int, folder: Path) -> Iterator[_Counted]:
    """Count the instructions of a process and its children in the context; the result is filled at its end."""
    counted = _Counted()
    pids = [pid, *_children(pid)]
    for one in pids:
        _control("--zero", one)
    began = time.monotonic()
    yield counted
    counted.seconds = time.monotonic() - began
    for one in pids:
        before = set(folder.glob(f"out.{one}*"))
        _control("--dump", one)
        (dump,) = set(folder.glob(f"out.{one}*")) - before
        found = _TOTALS.findall(dump.read_text())
        counted.totals.append(int(found[-1]))


def _children(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [one for child in children for one in _children(child)]


def _control(action: str, pid: int) -> None:
    subprocess.run(["callgrind_control", action, str(pid)], check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
