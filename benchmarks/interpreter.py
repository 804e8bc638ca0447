"""The interpreter that mailproxy runs on during a measure, and how it was built."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent

# Debian's flags do not say that it is optimised, and the time of a loop does.
_SAY = """
import sysconfig, timeit
from mailproxy.front.interpreter import interpreter
flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
kept = [word for word in flags.replace("'", "").split() if "optimiz" in word or "lto" in word]
milliseconds = min(timeit.repeat("for i in range(100000): d[i & 7] = i", "d = {}", number=1, repeat=20)) * 1000
print(f"Python {interpreter()}, flags {' '.join(kept) or 'unknown'}, 100,000 turns of a loop {milliseconds:.1f} ms")
"""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the interpreter."""
    parser.add_argument(
        "--python",
        type=Path,
        metavar="PATH",
        help="run mailproxy on another interpreter of the same version, with the packages in .venv",
    )


def use(path: Path | None) -> str:
    """Have mailproxy run on this interpreter, by default that of .venv, and return it in words."""
    if path is not None:
        os.environ["PYTHON"] = str(path.resolve())  # for benchmarks/front
    output = subprocess.run(
        [path or sys.executable, "-c", _SAY],
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return output.stdout.strip()
