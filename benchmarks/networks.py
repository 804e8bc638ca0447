"""``python -m benchmarks.networks``: what it costs to look up an address in a set of networks, and to read a list."""

from __future__ import annotations

import platform
import random
import sys
import time
from collections.abc import Iterator, Sequence

from mailproxy.networks.list_file import parse_list
from mailproxy.networks.network_set import NetworkSet

SIZES = (10, 1_000, 100_000)

TARGET = 2.0
"""The most microseconds of a look-up."""

_LOOKUPS = 20_000

# The best of this number of runs counts, because other programs slow some of them down.
_GOES = 7

_NANOSECONDS_PER_MICROSECOND = 1e3
_NANOSECONDS_PER_MILLISECOND = 1e6


def list_of(size: int, family: int) -> bytes:
    """Return a list of random networks: /24 of IPv4, or /48 of IPv6."""
    chance = random.Random(size)
    if family == 4:
        lines = (f"{chance.randrange(1, 224)}.{_octet(chance)}.{_octet(chance)}.0/24" for _ in range(size))
    else:
        lines = (f"2{chance.randrange(2**12):03x}:{_group(chance)}:{_group(chance)}::/48" for _ in range(size))
    return "\n".join(lines).encode()


def _octet(chance: random.Random) -> int:
    return chance.randrange(2**8)


def _group(chance: random.Random) -> str:
    return f"{chance.randrange(2**16):x}"


def addresses(family: int) -> list[bytes]:
    """Return random addresses, all different: the processor's cache has none of their neighbours."""
    chance = random.Random(family)
    return [chance.randbytes(4) if family == 4 else b"\x20" + chance.randbytes(15) for _ in range(_LOOKUPS)]


def look_up(networks: NetworkSet, packed: Sequence[bytes]) -> float:
    """Return the microseconds of a look-up."""
    begin = time.process_time_ns()
    for one in packed:
        one in networks  # noqa: B015  # the look-up is what is measured
    return (time.process_time_ns() - begin) / len(packed) / _NANOSECONDS_PER_MICROSECOND


def rows() -> Iterator[tuple[str, float, float]]:
    """Measure each set: its name, the microseconds of a look-up, and the milliseconds of reading its list."""
    for family in (4, 6):
        packed = addresses(family)
        for size in SIZES:
            text = list_of(size, family)
            begin = time.process_time_ns()
            networks = parse_list(text, "list")
            read = (time.process_time_ns() - begin) / _NANOSECONDS_PER_MILLISECOND
            yield f"IPv{family}, {size} networks", min(look_up(networks, packed) for _ in range(_GOES)), read


def main() -> int:
    """Print the table; 0 even when the target is missed: the machine may be busy."""
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, CPU time")
    print(f"{'':24}{'look-up':>12}{'reading':>12}")
    for name, cost, read in rows():
        print(f"{name:24}{cost:9.2f} µs{read:9.0f} ms{'   missed' if cost > TARGET else ''}", flush=True)
    print(f"target of a look-up: {TARGET:.0f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
