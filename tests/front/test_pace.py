"""The limit on new connections in a time, and the one on TLS handshakes at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from twisted.internet.task import Clock

from mailproxy.config.rate import Rate
from mailproxy.counting.page import new_numbers
from mailproxy.front.capacity import Capacity
from mailproxy.front.pace import NUMBERS, Pace
from mailproxy.transport.poller import Poller
from tests.session.conftest import MakeBench
from tests.transport.listener import FakeListener


class Process:
    """One process of several that have a limit together."""

    def __init__(self, clock: Clock, rate: Rate, pages: list[Any], number: int) -> None:
        self.clock = clock
        self.poller = Poller(clock.seconds)
        self.pace = Pace(rate, pages[number], pages, poller=self.poller, clock=clock)
        listener: Any = FakeListener()
        self.listener = listener
        self.pace.apply_to(listener)
        self.times: list[float] = []

    @property
    def accepts(self) -> bool:
        return bool(self.listener.accepts)

    def accept(self) -> None:
        self.poller.look_at_clock()
        self.times.append(self.clock.seconds())
        self.pace.join()


class Flood:
    """Clients without end, and one or more processes that accept as many as they may."""

    def __init__(self, rate: Rate, processes: int = 1) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        pages = [new_numbers(NUMBERS) for _ in range(processes)]
        self.processes = [Process(self.clock, rate, pages, number) for number in range(processes)]

    def accept(self) -> None:
        for _ in range(10_000):
            ready = [process for process in self.processes if process.accepts]
            if not ready:
                return
            for process in ready:
                process.accept()

    def last(self, seconds: float) -> list[float]:
        """Let clients come for a time; return when they were accepted."""
        for _ in range(int(seconds * 100)):
            self.accept()
            self.clock.advance(0.01)
        return sorted(time for process in self.processes for time in process.times)


def test_first_clients_come_in_at_once() -> None:
    flood = Flood(Rate(50, 1.0))
    flood.accept()
    assert len(flood.processes[0].times) == 50


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("rate", [Rate(50, 1.0), Rate(5, 1.0), Rate(30, 10.0)], ids=str)
def test_rate_holds_over_time(rate: Rate, processes: int) -> None:
    flood = Flood(rate, processes)
    times = flood.last(10 * rate.seconds)
    # One burst at the beginning, then the rate; each further process may exceed it by one client.
    assert 10 * rate.count * 0.9 <= len(times) <= 11 * (rate.count + processes - 1)


def test_clients_are_spread_over_the_time_after_the_first_burst() -> None:
    times = [time for time in Flood(Rate(50, 1.0)).last(6.0) if time > 1002.0]
    assert max(later - earlier for earlier, later in pairwise(times)) < 0.2


def test_quiet_frontend_has_no_timer() -> None:
    flood = Flood(Rate(50, 1.0))
    flood.accept()
    flood.clock.advance(5.0)
    assert flood.processes[0].accepts
    assert not flood.clock.getDelayedCalls()


def test_listener_that_is_bound_later_waits_as_well() -> None:
    flood = Flood(Rate(5, 1.0))
    flood.accept()
    later: Any = FakeListener()
    flood.processes[0].pace.apply_to(later)
    assert later.reasons
    flood.clock.advance(5.0)
    assert not later.reasons


def test_stopped_frontend_leaves_no_timer() -> None:
    flood = Flood(Rate(5, 1.0))
    flood.accept()
    process = flood.processes[0]
    process.pace.release(process.listener)
    assert not flood.clock.getDelayedCalls()


def test_count_outlasts_a_reload() -> None:
    flood = Flood(Rate(5, 1.0))
    flood.accept()
    first = flood.processes[0]
    again = Process(flood.clock, Rate(5, 1.0), [first.pace._numbers], 0)  # noqa: SLF001  # the numbers outlast it
    assert not again.accepts


def test_clients_beyond_the_handshakes_at_once_wait(make: MakeBench) -> None:
    room = Capacity("handshakes of front", 1)
    bench = make(tls=True, handshakes=room)
    slow = bench.client()
    slow.send(b"\x16\x03\x01")  # the beginning of a handshake
    bench.until(lambda: room.sessions)
    bench.client()
    bench.settle()
    assert len(bench.frontend.sessions) == 1
    slow.break_off()
    bench.until(lambda: bench.frontend.counters.connections == 2)
    assert room.sessions == 0


def test_client_that_sends_nothing_takes_no_room(make: MakeBench) -> None:
    room = Capacity("handshakes of front", 1)
    bench = make(tls=True, handshakes=room)
    for _ in range(3):
        bench.client()
    bench.until(lambda: len(bench.frontend.sessions) == 3)
    assert room.sessions == 0


def test_finished_handshake_makes_room(make: MakeBench) -> None:
    room = Capacity("handshakes of front", 1)
    bench = make(tls=True, handshakes=room)
    for _ in range(3):
        bench.relay()
    assert room.sessions == 0
    assert len(bench.frontend.sessions) == 3


def test_handshake_that_takes_too_long_makes_room(make: MakeBench) -> None:
    room = Capacity("handshakes of front", 1)
    bench = make(tls=True, handshakes=room, timeout={"handshake": 5.0})
    bench.client().send(b"\x16\x03\x01")
    bench.until(lambda: room.sessions)
    bench.clock.advance(6.0)
    assert room.sessions == 0
