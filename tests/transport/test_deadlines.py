"""Deadlines against a clock that the test turns."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mailproxy.transport.deadlines import FIRST_LOOK_SECONDS, TICK_SECONDS, Deadlines
from mailproxy.transport.poller import Poller
from tests.examples import examples

START = 1000.0


class Waiter:
    """Waits, and remembers when its deadlines passed."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.deadline = 0.0
        self.timer_bucket = 0
        self.expirations: list[float] = []
        self.breakages = 0

    def expired(self) -> None:
        self.expirations.append(self.bench.clock.seconds())

    def broke(self) -> None:
        self.breakages += 1


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.poller = Poller(self.clock.seconds)
        self.deadlines = Deadlines(self.clock, self.poller)

    def waiter(self) -> Waiter:
        return Waiter(self)

    def advance(self, seconds: float) -> None:
        """Advance the clock in small steps with events, as a reactor does."""
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            self.clock.advance(min(TICK_SECONDS / 4, end - self.clock.seconds()))
            self.poller.look_at_clock()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.poller.close()


def passes(waiter: Waiter, seconds: float) -> bool:
    """Return whether the only deadline that passed was that many seconds from the start, or a tick later."""
    return len(waiter.expirations) == 1 and 0 <= waiter.expirations[0] - START - seconds <= TICK_SECONDS


@pytest.mark.parametrize("seconds", [0.0, 0.01, TICK_SECONDS, 1.0, FIRST_LOOK_SECONDS, 5.0, 2100.0])
def test_deadline_passes_not_early_and_at_most_a_tick_late(bench: Bench, seconds: float) -> None:
    waiter = bench.waiter()
    bench.deadlines.set(waiter, seconds)
    bench.advance(seconds + 1)
    assert passes(waiter, seconds)


def test_deadline_that_is_moved_later_passes_later(bench: Bench) -> None:
    waiter = bench.waiter()
    bench.deadlines.set(waiter, 5)
    bench.advance(4)
    bench.deadlines.set(waiter, 5)
    bench.advance(10)
    assert passes(waiter, 9)


def test_deadline_that_is_moved_earlier_passes_earlier(bench: Bench) -> None:
    waiter = bench.waiter()
    bench.deadlines.set(waiter, 2100)
    bench.advance(5)
    bench.deadlines.set(waiter, 1)
    bench.advance(10)
    assert passes(waiter, 6)


def test_cleared_deadline_never_passes(bench: Bench) -> None:
    waiter = bench.waiter()
    bench.deadlines.set(waiter, 1)
    bench.deadlines.clear(waiter)
    bench.advance(10)
    assert waiter.expirations == []


def test_clearing_twice_is_clearing_once(bench: Bench) -> None:
    waiter = bench.waiter()
    bench.deadlines.clear(waiter)
    bench.deadlines.set(waiter, 1)
    bench.deadlines.clear(waiter)
    bench.deadlines.clear(waiter)
    assert waiter.timer_bucket == 0


def test_deadline_may_be_set_again_when_it_has_passed(bench: Bench) -> None:
    waiter = bench.waiter()
    bench.deadlines.set(waiter, 1)
    bench.advance(2)
    bench.deadlines.set(waiter, 1)
    bench.advance(2)
    assert len(waiter.expirations) == 2


def test_deadline_may_be_set_again_by_whom_it_expires_for(bench: Bench) -> None:
    class Again(Waiter):
        def expired(self) -> None:
            super().expired()
            bench.deadlines.set(self, 0)

    waiter = Again(bench)
    bench.deadlines.set(waiter, 1)
    bench.advance(2)
    assert 2 <= len(waiter.expirations) <= 10


def test_one_that_expires_may_clear_another(bench: Bench) -> None:
    others: list[Waiter] = []

    class Clears(Waiter):
        def expired(self) -> None:
            super().expired()
            for other in others:
                if other is not self:
                    bench.deadlines.clear(other)

    others += [Clears(bench), Clears(bench)]
    for other in others:
        bench.deadlines.set(other, 1)
    bench.advance(2)
    assert sum(len(other.expirations) for other in others) == 1


def test_many_deadlines_cost_one_timer(bench: Bench) -> None:
    waiters = [bench.waiter() for _ in range(1000)]
    for number, waiter in enumerate(waiters):
        bench.deadlines.set(waiter, number / 100)
    assert len(bench.clock.getDelayedCalls()) == 1
    bench.advance(11)
    assert all(passes(waiter, number / 100) for number, waiter in enumerate(waiters))


def test_without_deadlines_there_is_no_timer_after_the_next_look(bench: Bench) -> None:
    waiter = bench.waiter()
    bench.deadlines.set(waiter, 2100)
    bench.deadlines.clear(waiter)
    bench.advance(FIRST_LOOK_SECONDS + 1)
    assert bench.clock.getDelayedCalls() == []


def test_nothing_keeps_what_was_cleared(bench: Bench) -> None:
    waiter = bench.waiter()
    gone = weakref.ref(waiter)
    bench.deadlines.set(waiter, 2100)
    bench.advance(10)
    bench.deadlines.clear(waiter)
    gc.disable()
    try:
        del waiter
        assert gone() is None
    finally:
        gc.enable()


def test_bug_ends_the_one_that_has_it_and_no_other(bench: Bench) -> None:
    class Buggy(Waiter):
        def expired(self) -> None:
            raise ZeroDivisionError("a bug")

    buggy, sound = Buggy(bench), bench.waiter()
    for waiter in (sound, buggy):
        bench.deadlines.set(waiter, 1)
    with capturedLogs() as events:
        bench.advance(2)
    assert buggy.breakages == 1
    assert passes(sound, 1)
    assert sum("log_failure" in event for event in events) == 1


def test_bug_behind_a_bug_stops_no_other_either(bench: Bench) -> None:
    class Hopeless(Waiter):
        def expired(self) -> None:
            raise ZeroDivisionError("a bug")

        def broke(self) -> None:
            raise ZeroDivisionError("another bug")

    hopeless, sound = Hopeless(bench), bench.waiter()
    bench.deadlines.set(hopeless, 1)
    bench.deadlines.set(sound, 3)
    with capturedLogs(), pytest.raises(ZeroDivisionError):  # which the reactor logs
        bench.advance(2)
    bench.advance(2)
    assert passes(sound, 3)


SECONDS = st.one_of(st.sampled_from([0.0, TICK_SECONDS, 1.0, 5.0, 60.0]), st.floats(0, 100))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 3), SECONDS),
        st.tuples(st.just("clear"), st.integers(0, 3), st.just(0.0)),
        st.tuples(st.just("advance"), st.just(0), st.floats(0, 10)),
    ),
    max_size=30,
)


@examples(60)
@given(STEPS)
def test_deadlines_pass_as_plain_timers_would(steps: list[tuple[str, int, float]]) -> None:
    bench = Bench()
    waiters = [bench.waiter() for _ in range(4)]
    due: dict[int, float] = {}
    for action, number, seconds in steps:
        if action == "set":
            bench.deadlines.set(waiters[number], seconds)
            due[number] = bench.clock.seconds() + seconds
        elif action == "clear":
            bench.deadlines.clear(waiters[number])
            due.pop(number, None)
        else:
            step = seconds / 8  # what is due within a step is looked at at its end
            for _ in range(8):
                bench.clock.advance(step)
                now = bench.poller.look_at_clock()
                for index, waiter in enumerate(waiters):
                    for moment in waiter.expirations:
                        assert 0 <= moment - due.pop(index) <= TICK_SECONDS + step
                    waiter.expirations.clear()
                assert all(now - moment < TICK_SECONDS + step for moment in due.values())
    bench.poller.close()
