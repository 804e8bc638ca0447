"""What is measured, and what mailproxy is to reach beside HAProxy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from attrs import field, frozen

from benchmarks import usage
from benchmarks.running import Front, Leg, Mode, Result

# What a front puts off, such as log lines, is to be done before and after it is looked at.
_SETTLE_SECONDS = 0.5

_MICRO = 1e6
_MEBIBYTE = 1024 * 1024


@frozen
class Sample:
    """What one round of one measure gave: `cost` is in the measure's unit, everything else may not apply (0)."""

    cost: float
    user: float = 0.0
    """Of the cost, what was spent in user mode, and `system` in kernel mode."""
    system: float = 0.0
    rate: float = 0.0
    """Units of work per second by the wall clock."""
    p50: float = 0.0
    """Latency in seconds."""
    p99: float = 0.0
    negotiated: str = ""


class Measure(Protocol):
    """Something that is measured of every front."""

    @property
    def name(self) -> str:
        """What ``--only`` takes."""

    @property
    def title(self) -> str:
        """What is done, and in which unit its cost is."""

    @property
    def target(self) -> float | None:
        """The cost that this is compared with (see `beside`) divided by mailproxy's is to be at least so much."""

    @property
    def beside(self) -> str | None:
        """With which other measure of the same front this is compared, and not with HAProxy, which cannot do it."""

    @property
    def limit(self) -> float | None:
        """The cost itself is to be at most so much."""

    @property
    def needs_fresh_front(self) -> bool:
        """True if a front is to be started for every sample: what it did before would show."""

    def take(self, front: Front) -> Sample:
        """Measure once."""


def _connections(result: Result) -> float:
    return result.done


def _round_trips(result: Result) -> float:
    return result.trips


def _megabytes(result: Result) -> float:
    return result.bytes / 1e6


@frozen
class Work:
    """CPU time of the front per unit of work, in microseconds."""

    name: str
    title: str
    mode: Mode
    leg: Leg
    connections: int
    amount: int
    units: Callable[[Result], float]
    target: float | None = None
    beside: str | None = None
    limit: None = None
    needs_fresh_front: bool = field(default=False, init=False)

    def take(self, front: Front) -> Sample:
        """Let clients work, and see what that cost the front."""
        with front.clients(self.mode, self.leg, self.connections, self.amount) as clients:
            time.sleep(_SETTLE_SECONDS)
            before = usage.cpu_time(front.pid)
            result = clients.work()
            time.sleep(_SETTLE_SECONDS)
            used = usage.cpu_time(front.pid) - before
        units = self.units(result)
        return Sample(
            cost=used.total * _MICRO / units,
            user=used.user * _MICRO / units,
            system=used.system * _MICRO / units,
            rate=units / result.seconds,
            p50=result.p50,
            p99=result.p99,
            negotiated=result.negotiated,
        )


@frozen
class IdleMemory:
    """Memory of the front per idle connection, in bytes; the kernel's share of a connection is not in it."""

    name: str
    title: str
    leg: Leg
    connections: int
    target: float | None = None
    beside: None = None
    limit: None = None
    needs_fresh_front: bool = field(default=True, init=False)

    def take(self, front: Front) -> Sample:
        """Let clients connect, and see what the front keeps for them."""
        with front.clients("idle", self.leg, 1, 0):
            # A front may listen before it has read all of its program: it has once it serves a client.
            time.sleep(_SETTLE_SECONDS)
        before = usage.memory(front.pid)
        with front.clients("idle", self.leg, self.connections, 0):
            time.sleep(_SETTLE_SECONDS)
            used = usage.memory(front.pid) - before
        return Sample(cost=used / self.connections)


@frozen
class StalledMemory:
    """The most that the front's memory grows by while one connection cannot go on, in KiB."""

    name: str
    title: str
    mode: Mode
    amount: int
    limit: float
    target: None = None
    beside: None = None
    needs_fresh_front: bool = field(default=True, init=False)

    def take(self, front: Front) -> Sample:
        """Send to a peer that does not read, until all buffers are full."""
        with front.clients(self.mode, "EC", 1, self.amount) as clients:
            usage.forget_peak(front.pid)
            before, peak_before = usage.memory(front.pid), usage.peak_memory(front.pid)
            clients.work()
            # The kernel keeps the peak in coarse steps on several CPUs; what is there now it counts exactly.
            grown = max(usage.memory(front.pid) - before, usage.peak_memory(front.pid) - peak_before)
        return Sample(cost=grown / 1024)


GIBIBYTE = 1024 * _MEBIBYTE

MEASURES: tuple[Measure, ...] = (
    Work("conn", "full handshake P-256, µs/connection", "conn", "EC", 32, 4000, _connections, target=1.1),
    Work("conn-rsa", "full handshake RSA-2048, µs/connection", "conn", "RSA", 32, 2000, _connections, target=1.08),
    Work("resume", "resumed session, µs/connection", "resume", "EC", 32, 4000, _connections, target=1.1),
    Work(
        "starttls",
        "full handshake P-256 after STARTTLS beside one without, µs/connection",
        "conn",
        "STARTTLS",
        32,
        4000,
        _connections,
        target=0.8,
        beside="conn",
    ),
    Work("ping1", "round trip, 1 connection, µs", "ping", "EC", 1, 30_000, _round_trips, target=1.0),
    Work("ping100", "round trip, 100 connections, µs", "ping", "EC", 100, 80_000, _round_trips, target=1.0),
    Work("down", "to 4 clients, µs/MB", "down", "EC", 4, 500_000_000, _megabytes, target=1.3),
    Work("up", "from 4 clients, µs/MB", "up", "EC", 4, 250_000_000, _megabytes, target=1.3),
    Work("conn-both", "TLS to the server as well, µs/connection", "conn", "BOTH", 32, 4000, _connections),
    Work("down-both", "TLS to the server as well, to 4 clients, µs/MB", "down", "BOTH", 4, 250_000_000, _megabytes),
    Work("up-both", "TLS to the server as well, from 4 clients, µs/MB", "up", "BOTH", 4, 125_000_000, _megabytes),
    Work("plain", "connection without TLS, µs", "conn", "PLAIN", 32, 5000, _connections, target=0.85),
    IdleMemory("memory", "idle TLS connection, bytes", "EC", 4000, target=0.78),
    StalledMemory("stalled-client", "growth, 1 GiB for a client that does not read, KiB", "stall", GIBIBYTE, 2048),
    StalledMemory("stalled-server", "growth, 1 GiB for a server that does not read, KiB", "drown", GIBIBYTE, 2048),
)
