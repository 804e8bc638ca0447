"""Timeouts of many, by a clock that the test turns."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mailproxy.checks.timeouts import Timeouts


class Someone:
    def __init__(self, name: str, timed_out: list[str]) -> None:
        self.name = name
        self._timed_out = timed_out

    def expired(self) -> None:
        self._timed_out.append(self.name)


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.timed_out: list[str] = []
        self.timeouts = Timeouts(self.clock)

    def begin(self, name: str, seconds: float) -> Someone:
        someone = Someone(name, self.timed_out)
        self.timeouts.begin(someone, seconds)
        return someone


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_timeout_passes_when_it_is_over_and_not_before(bench: Bench) -> None:
    bench.begin("a", 1.0)
    bench.clock.advance(0.999)
    assert bench.timed_out == []
    bench.clock.advance(0.001)
    assert bench.timed_out == ["a"]


def test_each_wait_has_its_own_time(bench: Bench) -> None:
    bench.begin("a", 1.0)
    bench.clock.advance(0.5)
    bench.begin("b", 1.0)
    bench.begin("c", 0.25)
    bench.clock.advance(0.25)
    assert bench.timed_out == ["c"]
    bench.clock.advance(0.25)
    assert bench.timed_out == ["c", "a"]
    bench.clock.advance(0.5)
    assert bench.timed_out == ["c", "a", "b"]


def test_what_has_ended_does_not_pass(bench: Bench) -> None:
    first = bench.begin("a", 1.0)
    bench.clock.advance(0.5)
    bench.begin("b", 1.0)
    bench.timeouts.end(first, 1.0)
    bench.clock.advance(0.75)
    assert bench.timed_out == []
    bench.clock.advance(0.25)
    assert bench.timed_out == ["b"]


def test_nothing_is_left_when_all_have_ended(bench: Bench) -> None:
    someone = bench.begin("a", 1.0)
    bench.timeouts.end(someone, 1.0)
    bench.timeouts.end(someone, 1.0)
    bench.timeouts.end(someone, 2.0)
    assert bench.clock.getDelayedCalls() == []


def test_one_call_is_enough_for_all_of_a_length(bench: Bench) -> None:
    for number in range(100):
        bench.begin(str(number), 1.0)
    assert len(bench.clock.getDelayedCalls()) == 1
    bench.clock.advance(1.0)
    assert len(bench.timed_out) == 100


def test_receiver_of_the_end_may_begin_again(bench: Bench) -> None:
    class Again(Someone):
        def expired(self) -> None:
            super().expired()
            if len(bench.timed_out) < 3:
                bench.timeouts.begin(self, 1.0)

    bench.timeouts.begin(Again("a", bench.timed_out), 1.0)
    for _ in range(10):
        bench.clock.advance(1.0)
    assert bench.timed_out == ["a"] * 3
    assert bench.clock.getDelayedCalls() == []


def test_bug_of_one_hurts_no_other(bench: Bench) -> None:
    class Broken(Someone):
        def expired(self) -> None:
            raise RuntimeError("a bug")

    bench.timeouts.begin(Broken("a", bench.timed_out), 1.0)
    bench.begin("b", 1.0)
    with capturedLogs() as logged:
        bench.clock.advance(1.0)
    assert bench.timed_out == ["b"]
    assert len(logged) == 1
