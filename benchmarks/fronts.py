"""The two fronts that are compared, and what they need before they can run."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

from OpenSSL import SSL

import mailproxy
from benchmarks import programs
from benchmarks.certificates import make_certificates
from benchmarks.running import FrontProgram, Place

_HERE = Path(__file__).parent

HAPROXY = FrontProgram("haproxy", _HERE / "haproxy")
MAILPROXY = FrontProgram("mailproxy", _HERE / "front")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that gives mailproxy more to do."""
    parser.add_argument(
        "--everything",
        action="store_true",
        help="mailproxy with limits of sources and frontends, metrics, and ten rules on each frontend as well",
    )


def use(everything: bool) -> str:
    """Have `MAILPROXY` run with what `add_option` asks for, and return that in words."""
    if not everything:
        return "log, counters, deadlines"
    os.environ["EVERYTHING"] = str(_HERE / "everything.toml")  # for benchmarks/front
    os.environ["EXTRA"] = str(_HERE / "ten-rules.toml")
    return "log, counters, deadlines, limits, metrics, ten rules"


def prepare(folder: Path) -> Place:
    """Put programs and certificates into a folder; the front gets the first CPU, all others the last one."""
    folder.chmod(0o755)  # fronts may give up their privileges
    programs.compile_into(folder)
    make_certificates(folder)
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) == 1:
        print("one CPU only: clients and server take it from the fronts, so rates mean little", file=sys.stderr)
    return Place(folder, cpus[:1], cpus[-1])


def machine(python: str, features: str) -> str:
    """Return in words what is measured, and where."""
    return "\n".join(
        (
            f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPUs, Linux {platform.release()}",
            programs.haproxy_version(),
            f"mailproxy {mailproxy.__version__}, {python}, " + SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode(),
            f"mailproxy has on: {features}",
        )
    )
