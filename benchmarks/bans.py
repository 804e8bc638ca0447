"""``python -m benchmarks.bans``: what it takes to read many bans: from the file, from CrowdSec, and in a worker."""

from __future__ import annotations

import gc
import json
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mailproxy.bans.ban import Ban, Key
from mailproxy.bans.bans import BANS_AT_ONCE, MAX_BANS, BanChange, Bans
from mailproxy.bans.decisions import read_decisions
from mailproxy.bans.file import Moment, read_bans, write_bans
from mailproxy.bans.gate import BanGate
from mailproxy.process.encoding import decode, encode

_HOUR = 3600.0
_NOW = Moment(1e6, 1e9)


def some_bans(size: int) -> list[Ban]:
    """Return bans of different networks: nine addresses of ten, and as many of IPv4's /24 as of IPv6's /64."""
    chance = random.Random(size)
    keys: dict[Key, None] = {}
    while len(keys) < size:
        kind = chance.randrange(20)
        if kind == 0:
            keys[chance.randbytes(3) + bytes(1), 24] = None
        elif kind == 1:
            keys[b"\x20\x01" + chance.randbytes(6) + bytes(8), 64] = None
        else:
            keys[chance.randbytes(4), 32] = None
    return [Ban(key, "ctl", "password guessing", _NOW.monotonic, _NOW.monotonic + _HOUR) for key in keys]


def answer(size: int) -> bytes:
    """Return an answer of CrowdSec with decisions of addresses."""
    chance = random.Random(size)
    new = [
        {
            "duration": "3h59m58.9s",
            "id": number,
            "origin": "CAPI",
            "scenario": "crowdsecurity/dovecot-spam",
            "scope": "Ip",
            "type": "ban",
            "value": ".".join(str(byte) for byte in chance.randbytes(4)),
        }
        for number in range(size)
    ]
    return json.dumps({"new": new, "deleted": None}).encode()


def parts(bans: Sequence[Ban]) -> Iterator[Sequence[Ban]]:
    """Yield the bans as the service takes them over and hands them on."""
    return (bans[place : place + BANS_AT_ONCE] for place in range(0, len(bans), BANS_AT_ONCE))


def seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor's seconds of some work, and its result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def rows(size: int) -> Iterator[tuple[str, float]]:
    """Measure each step: its name, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bans.json"
        yield "write the file", seconds_of(lambda: write_bans(path, some_bans(size), _NOW))[0]
        seconds, found = seconds_of(lambda: read_bans(path, _NOW))
        yield "read the file", seconds
    bans = Bans()

    def take_over() -> None:
        for part in parts(found):
            bans.ban(*part)

    yield "take them over", seconds_of(take_over)[0]
    seconds, messages = seconds_of(lambda: [encode(BanChange(tuple(part))) for part in parts(found)])
    yield "send them to a worker", seconds
    gate = BanGate(lambda: _NOW.monotonic)

    def receive() -> None:
        for one in messages:
            gate.change(decode(one, is_trusted=True))

    yield "receive them", seconds_of(receive)[0]
    data = answer(size)
    yield "read CrowdSec's answer", seconds_of(lambda: read_decisions(data))[0]


def main() -> int:
    """Print the table."""
    gc.disable()  # as good as: the service has the collector look seldom
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, CPU time, {MAX_BANS} bans")
    for name, seconds in rows(MAX_BANS):
        print(f"{name:24}{seconds:8.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
