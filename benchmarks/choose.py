"""``python -m benchmarks.choose``: what it costs to choose a server, by rule and number of servers."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import frozen

from mailproxy.balance.change import Change
from mailproxy.balance.health import Health
from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from mailproxy.balance.rule import RULES

SERVERS = (10, 100, 1000)

CHOICE_TARGETS = {100: 20.0, 1000: 1000.0}
"""The most microseconds of a choice, by number of servers."""

DELAY_TARGETS = {1000: 1000.0}
"""Microseconds for which a session may be delayed by something else."""

_CHOICES = 1000
_CHANGES = 100

# The best of this number of runs counts, because other programs slow some of them down.
_GOES = 7

_SESSIONS_PER_SERVER = 5

_SLOWSTART_SECONDS = 10.0
_NANOSECONDS_PER_MICROSECOND = 1e3

_CLIENTS = [number.to_bytes(4, "big") for number in range(_CHOICES)]


@frozen
class Row:
    """What one thing costs in microseconds of CPU time, by number of servers."""

    name: str
    costs: dict[int, float]
    targets: Mapping[int, float]

    @property
    def misses(self) -> bool:
        """Whether it costs more than it may."""
        return any(self.costs[count] > target for count, target in self.targets.items())


def _ignore(change: Change[PoolServer]) -> None:
    """What a log would do is not measured."""


def busy_pool(rule: str, count: int, maxconn: int = 0, slowstart: float = 0.0) -> Pool[PoolServer]:
    """Make a pool whose servers have sessions; two weights, as servers of two generations have."""
    servers = [
        PoolServer(
            name=f"d{number}",
            target=number,
            weight=100 if number % 2 else 150,
            maxconn=maxconn,
            slowstart=slowstart,
            health=Health(rise=1, fall=1),
        )
        for number in range(count)
    ]
    pool = Pool("pool", servers, RULES[rule], on_change=_ignore)
    for number in range(_SESSIONS_PER_SERVER * count):
        pool.pick(number.to_bytes(4, "big"), (), 0.0)
    return pool


def returning_pool(rule: str, count: int) -> Pool[PoolServer]:
    """Make one whose servers are all in the middle of their slowstart, and have a limit."""
    pool = busy_pool(rule, count, 1000, _SLOWSTART_SECONDS)
    for server in pool.servers:
        pool.failed(server, -_SLOWSTART_SECONDS / 2, "refused")
    for server in pool.servers:
        pool.passed(server, -_SLOWSTART_SECONDS / 2)
    pool.refresh(0.0)
    return pool


def crowded_pool(rule: str, count: int) -> Pool[PoolServer]:
    """Make one where every server but the last is full."""
    pool = busy_pool(rule, count, 1000)
    for server in pool.servers[:-1]:
        server.sessions = server.places
    return pool


def queueing_pool(rule: str, count: int) -> Pool[PoolServer]:
    """Make one where every server is full, with clients waiting."""
    pool = busy_pool(rule, count, 1000)
    for server in pool.servers:
        server.sessions = server.places
    for number in range(_GOES * _CHANGES):
        pool.enqueue(_Waiter(), number.to_bytes(4, "big"), ())
    return pool


class _Waiter:
    def turn(self, server: PoolServer) -> None:
        """Have the place."""

    def no_turn(self) -> None:
        """Do nothing; a server is always free here."""


def choose(pool: Pool[PoolServer]) -> float:
    """Return the microseconds of a pick and a leave."""
    return _attempts(pool, ())


def retry(pool: Pool[PoolServer]) -> float:
    """Return the microseconds of a second attempt."""
    return _attempts(pool, pool.servers[:1])


def _attempts(pool: Pool[PoolServer], tried: Sequence[PoolServer]) -> float:
    begin = time.process_time_ns()
    for client in _CLIENTS:
        server = pool.pick(client, tried, 0.0)
        if server is not None:  # with source, some clients' server is full
            pool.leave(server, 0.0)
    return (time.process_time_ns() - begin) / len(_CLIENTS) / _NANOSECONDS_PER_MICROSECOND


def hand_over(pool: Pool[PoolServer]) -> float:
    """Return the microseconds of leaving a place to the next in the queue."""
    servers = pool.servers
    begin = time.process_time_ns()
    for number in range(_CHANGES):
        pool.leave(servers[number % len(servers)], 0.0)
    return (time.process_time_ns() - begin) / _CHANGES / _NANOSECONDS_PER_MICROSECOND


def change(pool: Pool[PoolServer]) -> float:
    """Return the microseconds of a server that goes down or comes up."""
    server = pool.servers[0]
    begin = time.process_time_ns()
    for _ in range(_CHANGES // 2):
        pool.failed(server, 0.0, "refused")
        pool.passed(server, 0.0)
    return (time.process_time_ns() - begin) / _CHANGES / _NANOSECONDS_PER_MICROSECOND


def step(pool: Pool[PoolServer]) -> float:
    """Return the microseconds of a step of slowstart."""
    begin = time.process_time_ns()
    for _ in range(_CHANGES):
        pool.refresh(1.0)
    return (time.process_time_ns() - begin) / _CHANGES / _NANOSECONDS_PER_MICROSECOND


def rows() -> Iterator[Row]:
    """Measure everything."""
    for rule in RULES:
        yield _row(rule, rule, busy_pool, choose)
        yield _row(f"{rule}, maxconn", rule, lambda rule, count: busy_pool(rule, count, 1000), choose)
        yield _row(f"{rule}, all but one full", rule, crowded_pool, choose)
        yield _row(f"{rule}, slowstart and maxconn", rule, returning_pool, choose)
        yield _row(f"{rule}, second attempt", rule, busy_pool, retry)
        yield _row(f"{rule}, next in the queue", rule, queueing_pool, hand_over)
    yield _row("a server goes or comes", "leastconn", busy_pool, change, DELAY_TARGETS)
    yield _row("a step of slowstart", "leastconn", returning_pool, step, DELAY_TARGETS)


def _row(
    name: str,
    rule: str,
    make: Callable[[str, int], Pool[PoolServer]],
    measure: Callable[[Pool[PoolServer]], float],
    targets: Mapping[int, float] = CHOICE_TARGETS,
) -> Row:
    pools = {count: make(rule, count) for count in SERVERS}
    return Row(name, {count: min(measure(pools[count]) for _ in range(_GOES)) for count in SERVERS}, targets)


def main() -> int:
    """Print the table; 0 even when a target is missed: the machine may be busy."""
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, µs of CPU time by number of servers")
    print(f"{'':32}" + "".join(f"{count:>9}" for count in SERVERS))
    for row in rows():
        costs = "".join(f"{row.costs[count]:9.2f}" for count in SERVERS)
        print(f"{row.name:32}{costs}{'   missed' if row.misses else ''}", flush=True)
    print("targets of a choice: " + ", ".join(f"{most:.0f} with {count}" for count, most in CHOICE_TARGETS.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
