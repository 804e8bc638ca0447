"""What a process measures of itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from mailproxy.counting.layout import Totals
from mailproxy.counting.page import new_numbers
from mailproxy.front.vitals import PROCESS, STATE, TICK_SECONDS, TICKS_PER_LOOK, Vitals, open_descriptors


class Bench:
    """The vitals of a process whose clock and log the test has."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.counted, self.numbers = new_numbers(PROCESS.length), new_numbers(STATE.length)
        self.dropped = 0
        self.vitals = Vitals(self.counted, self.numbers, lambda: self.dropped, self.clock)

    def look(self) -> None:
        """Let time pass until the next look."""
        for _ in range(TICKS_PER_LOOK):
            self.clock.advance(TICK_SECONDS)

    @property
    def totals(self) -> Totals:
        return PROCESS.totals(self.counted)

    @property
    def state(self) -> dict[str, int]:
        return dict(STATE.totals(self.numbers).numbers)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.vitals.start()
    yield made
    made.vitals.stop()
    assert made.clock.getDelayedCalls() == []


def test_late_timer_is_lag(bench: Bench) -> None:
    bench.clock.advance(TICK_SECONDS)
    bench.clock.advance(TICK_SECONDS + 0.03)
    lag = bench.totals.histograms["lag"]
    assert (sum(lag.counts), lag.counts[lag.bounds.index(0.05)]) == (2, 1)
    assert lag.total_seconds == pytest.approx(0.03, abs=1e-5)


def test_longest_lag_is_that_of_the_last_seconds(bench: Bench) -> None:
    bench.clock.advance(TICK_SECONDS + 2.0)
    longest = [bench.state["longest_lag"]]
    for _ in range(2):
        bench.look()
        longest.append(bench.state["longest_lag"])
    assert longest == [pytest.approx(2e6, abs=10), pytest.approx(2e6, abs=10), 0]


def test_processor_time_only_grows(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "process_time", lambda: 1000.5)
    bench.look()
    assert bench.totals.numbers["cpu"] == 1_000_500_000


def test_dropped_lines_are_counted_once(bench: Bench) -> None:
    for bench.dropped in (3, 5, 5):
        bench.look()
    assert bench.totals.numbers["lines_dropped"] == 5


def test_descriptors_and_memory_are_those_of_this_process(bench: Bench) -> None:
    assert bench.state["descriptors"] == pytest.approx(len(os.listdir("/proc/self/fd")), abs=3)
    assert bench.state["descriptors"] < bench.state["most_descriptors"]
    assert bench.state["memory"] > 10_000_000
    assert bench.state["started"] / 1e6 == pytest.approx(time.time(), abs=60)


def test_old_kernel_says_nearly_how_many_descriptors_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = len(os.listdir("/proc/self/fd"))

    class Status:
        st_size = 0

    monkeypatch.setattr(os, "stat", lambda path: Status())
    assert 3 <= open_descriptors() <= expected


def test_process_without_proc_is_measured_as_far_as_it_goes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: str) -> object:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "stat", closed)
    bench.dropped = 1
    bench.look()
    assert bench.totals.numbers["lines_dropped"] == 1
