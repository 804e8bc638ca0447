"""
What it costs to count sources: ``python -m benchmarks.sources`` (docs/limits.md has its figures).

It measures what one accept pays, with the tables of one process and of four, and the memory of a table that is full.
Addresses come in random order, from as many sources as the table is for, so most entries are not in the processor's
cache: a flood from few addresses costs less.
"""

from __future__ import annotations

import argparse
import random
import sys
from ipaddress import ip_address
from time import thread_time

from attrs import frozen

from mailproxy.config import parse
from mailproxy.front.limits import SourceGate, make_gate
from mailproxy.sources.sources import Sources
from mailproxy.sources.table import Table

TARGET_MEGABYTES = 200.0

FILE = """
[limits]
source-connections = 1000
source-rate = "100000/1m"
source-handshake-failures = "1000/1m"

[frontend.imap]
bind = ["127.0.0.1:0"]
protocol = "imap"
tls = "none"
backend = "dovecot"

[backend.dovecot]
server.d1.address = "127.0.0.1:1"
"""


@frozen
class Figures:
    """What was measured with one number of tables."""

    tables: int
    microseconds: float
    new_microseconds: float
    """The same, for a source that is not in the table yet."""


@frozen
class Now:
    """A clock that stands still."""

    now: float = 1000.0


def resident_megabytes() -> float:
    """Return this process's memory, and what it shares."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def addresses(count: int) -> list[bytes]:
    """Make addresses, half of them IPv6, in random order."""
    four = [ip_address(0x0A000000 + number).packed for number in range(count // 2)]
    six = [ip_address((0x20010DB8 << 96) + (number << 64) + 1).packed for number in range(count - count // 2)]
    made = four + six
    random.Random(7).shuffle(made)
    return made


def visit(gate: SourceGate, source: bytes) -> None:
    """Let a client of a source come and go."""
    gate.judge(source)
    places = gate.take()
    if places:
        gate.leave(places)


def measure(tables: int, sources: int, visits: int) -> Figures:
    """Let each source come once, and then many again."""
    settings = parse(FILE, "/")
    made = [Table(sources) for _ in range(tables)]
    come = addresses(sources)
    gates = [make_gate(settings, settings.frontends[0], Sources(made, own), Now()) for own in made]
    first, *others = (gate for gate in gates if gate is not None)
    for gate in others:
        for source in come[:visits]:
            visit(gate, source)
    begin = thread_time()
    for source in come:
        visit(first, source)
    new = thread_time() - begin
    again = come[:visits]
    random.Random(8).shuffle(again)
    begin = thread_time()
    for source in again:
        visit(first, source)
    known = thread_time() - begin
    return Figures(tables, known / visits * 1e6, new / sources * 1e6)


def main(arguments: list[str]) -> int:
    """Measure, print and return 1 if a full table is too large."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sources", description=__doc__.splitlines()[1])
    parser.add_argument("--sources", type=int, default=1_000_000, help="how many addresses (default %(default)s)")
    parser.add_argument("--visits", type=int, default=200_000, help="how many accepts (default %(default)s)")
    options = parser.parse_args(arguments)
    come = addresses(options.sources)
    before = resident_megabytes()
    table = Table(options.sources)
    settings = parse(FILE, "/")
    gate = make_gate(settings, settings.frontends[0], Sources((table,), table), Now())
    assert gate is not None
    for source in come:
        visit(gate, source)
    size = resident_megabytes() - before
    print(f"{options.sources} addresses: {size:.0f} MB, {table.size} entries, {table.evictions} left for others")
    for tables, sources in ((1, options.sources), (1, 10_000), (4, 10_000)):
        found = measure(tables, sources, min(options.visits, sources))
        print(
            f"{tables} tables of {sources} sources: {found.microseconds:.1f} µs for an accept, "
            f"{found.new_microseconds:.1f} µs for one from a new source"
        )
    return 0 if size < TARGET_MEGABYTES * options.sources / 1e6 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
