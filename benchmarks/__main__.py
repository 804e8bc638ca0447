"""``python -m benchmarks``: mailproxy beside HAProxy, in turns, as ratios."""

from __future__ import annotations

import argparse
import json
import os
import pstats
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import asdict

from benchmarks import fronts, interpreter, programs, report
from benchmarks.comparison import compare
from benchmarks.fronts import HAPROXY, MAILPROXY, prepare
from benchmarks.measures import MEASURES, Measure
from benchmarks.running import BenchmarkError, Front, FrontProgram, Place

# How much of a profile is printed; the file has all of it.
_PROFILE_LINES = 40


def main() -> int:
    """Return the exit status: 1 when something is missing or could not be measured, else 0, whatever the ratios."""
    arguments = _parser().parse_args()
    try:
        programs.require()
        with tempfile.TemporaryDirectory(prefix="mailproxy-benchmarks-") as folder:
            place = prepare(Path(folder))
            if arguments.profile is not None:
                return _profile(arguments.profile, place)
            return _compare(arguments, place)
    except (programs.Missing, BenchmarkError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    names = ", ".join(measure.name for measure in MEASURES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=f"Measures: {names}.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each measure is taken (default %(default)s)")
    parser.add_argument(
        "--only", type=_measures, default=MEASURES, metavar="NAME,…", help="measures to take (default: all)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there as well")
    parser.add_argument(
        "--front", type=_front, action="append", default=[], metavar="NAME=PATH", help="measure one more front"
    )
    interpreter.add_option(parser)
    fronts.add_option(parser)
    parser.add_argument(
        "--profile", type=_measure, metavar="NAME", help="no comparison: profile mailproxy during one measure"
    )
    return parser


def _measure(name: str) -> Measure:
    for measure in MEASURES:
        if measure.name == name:
            return measure
    raise argparse.ArgumentTypeError(f"there is no measure {name}")


def _measures(names: str) -> tuple[Measure, ...]:
    return tuple(_measure(name) for name in names.split(","))


def _front(text: str) -> FrontProgram:
    name, _, path = text.partition("=")
    if not (name and os.access(path, os.X_OK)):
        raise argparse.ArgumentTypeError(f"{text} does not name an executable (NAME=PATH)")
    return FrontProgram(name, Path(path).resolve())


def _compare(arguments: argparse.Namespace, place: Place) -> int:
    compared = (HAPROXY, MAILPROXY, *arguments.front)
    measures: Sequence[Measure] = arguments.only
    print(fronts.machine(interpreter.use(arguments.python), fronts.use(arguments.everything)), flush=True)
    samples = compare(compared, measures, arguments.rounds, place, _progress)
    measured = list(report.rows(samples, measures, [front.name for front in compared]))
    for line in report.table(measured):
        print(line)
    print(f"load average {os.getloadavg()[0]:.1f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in measured], indent=1) + "\n")
    possible = sum(len(compared) if measure.beside is None else len(compared) - 1 for measure in measures)
    return 0 if len(measured) == possible else 1


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _profile(measure: Measure, place: Place) -> int:
    file = Path(f"{measure.name}.prof").resolve()
    with Front(MAILPROXY, place, {"PROFILE": str(file)}) as front:
        os.kill(front.pid, signal.SIGPROF)
        measure.take(front)
        os.kill(front.pid, signal.SIGPROF)
        time.sleep(1)
    pstats.Stats(str(file)).sort_stats("tottime").print_stats(_PROFILE_LINES)
    print(f"all of it: python -m pstats {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
