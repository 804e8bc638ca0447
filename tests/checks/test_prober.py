"""When a server is checked, by a clock that the test turns."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from mailproxy import config
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.pace import BURST, GAP_SECONDS, Pace
from mailproxy.checks.prober import Prober
from mailproxy.transport.outgoing import Target

TARGET = Target(socket.AF_INET, ("192.0.2.1", 143))
PASSED = Outcome(True, "greeted", 0.0)
NO_JITTER = config.Check(type="mail", inter=4.0, fastinter=1.0, downinter=8.0, timeout=2.0, jitter=0)


_MOMENT = 2**-10  # seconds, and no rounding


class Health:
    """A health that returns an interval by name."""

    def __init__(self) -> None:
        self.asks = "inter"

    def interval(self, check: config.Check) -> float:
        seconds: float = getattr(check, self.asks)
        return seconds


class Server:
    """A server to be checked."""

    def __init__(self) -> None:
        self.target: Target | None = TARGET
        self.health: Health | None = Health()
        self.state = "ready"


class FakeRun:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeCheck:
    """A check whose outcome the test sets, unless it has one at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.begun: list[float] = []
        self.runs: list[FakeRun] = []
        self.over: Callable[[Outcome], Any] | None = None
        self.at_once: Outcome | None = None
        self.bug: Exception | None = None

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> FakeRun:
        assert target is TARGET
        assert self.over is None, "two runs at once"
        self.begun.append(self._clock.seconds())
        if self.bug is not None:
            raise self.bug
        run = FakeRun()
        self.runs.append(run)
        if self.at_once is not None:
            over(self.at_once)
        else:
            self.over = over
        return run

    def end(self, outcome: Outcome = PASSED) -> None:
        over, self.over = self.over, None
        assert over is not None
        over(outcome)


class Bench:
    """A prober with everything around it."""

    def __init__(self, settings: config.Check = NO_JITTER, random: float = 0.5) -> None:
        self.clock = Clock()
        self.server = Server()
        self.check = FakeCheck(self.clock)
        self.reported: list[Outcome] = []
        self.random = random
        self.pace = Pace()
        self.prober = Prober(
            self.server,
            settings,
            self.check,
            self.reported.append,
            clock=self.clock,
            pace=self.pace,
            random=lambda: self.random,
        )

    def first(self) -> None:
        """Begin the first run."""
        self.prober.start()
        self.clock.advance(4.0 * self.random)

    def begun_after(self, seconds: float) -> bool:
        """Whether a run begins exactly then."""
        runs = len(self.check.begun)
        self.clock.advance(seconds - _MOMENT)
        assert len(self.check.begun) == runs, "it began too early"
        self.clock.advance(_MOMENT * 2)
        return len(self.check.begun) == runs + 1


@pytest.mark.parametrize("random", [0.125, 0.5, 0.999])
def test_first_run_is_somewhere_in_the_first_interval(random: float) -> None:
    bench = Bench(random=random)
    bench.prober.start()
    assert bench.begun_after(4.0 * random)


def test_interval_begins_where_a_run_ends() -> None:
    bench = Bench()
    bench.first()
    bench.clock.advance(1.5)
    bench.check.end()
    assert bench.begun_after(4.0)


@pytest.mark.parametrize(("asks", "seconds"), [("inter", 4.0), ("fastinter", 1.0), ("downinter", 8.0)])
def test_health_says_how_long_to_wait(asks: str, seconds: float) -> None:
    bench = Bench()
    bench.first()
    assert bench.server.health is not None
    bench.server.health.asks = asks
    bench.check.end()
    assert bench.begun_after(seconds)


def test_health_is_asked_after_the_result_is_counted() -> None:
    bench = Bench()

    def report(outcome: Outcome) -> None:
        assert bench.server.health is not None
        bench.server.health.asks = "fastinter"

    bench.prober = Prober(
        bench.server, NO_JITTER, bench.check, report, clock=bench.clock, pace=bench.pace, random=lambda: 0.5
    )
    bench.first()
    bench.check.end()
    assert bench.begun_after(1.0)


@pytest.mark.parametrize(("random", "seconds"), [(0.0, 3.6), (0.5, 4.0), (0.75, 4.2)])
def test_jitter_makes_the_interval_shorter_or_longer(random: float, seconds: float) -> None:
    bench = Bench(config.Check(type="mail", inter=4.0, jitter=10))
    bench.first()
    bench.random = random
    bench.check.end()
    assert bench.begun_after(seconds)


def test_there_are_never_two_runs() -> None:
    bench = Bench()
    bench.first()
    bench.clock.advance(100.0)
    bench.prober.check_soon()
    bench.clock.advance(100.0)
    assert len(bench.check.begun) == 1


def test_outcome_is_reported() -> None:
    bench = Bench()
    bench.first()
    bench.check.end()
    assert bench.reported == [PASSED]


def test_run_may_be_over_before_it_is_there() -> None:
    bench = Bench()
    bench.check.at_once = PASSED
    bench.first()
    assert not bench.prober.is_running
    assert bench.begun_after(4.0)


def test_soon_is_the_fast_interval() -> None:
    bench = Bench()
    bench.first()
    bench.check.end()
    bench.clock.advance(0.5)
    bench.prober.check_soon()
    assert bench.begun_after(1.0)


def test_soon_is_not_later_than_it_would_have_been() -> None:
    bench = Bench()
    bench.first()
    bench.check.end()
    bench.clock.advance(3.5)
    bench.prober.check_soon()
    assert bench.begun_after(0.5)


def test_soon_leaves_a_run_alone() -> None:
    bench = Bench()
    bench.first()
    bench.prober.check_soon()
    bench.check.end()
    assert bench.begun_after(4.0)


def test_soon_without_fast_interval_is_the_usual_one() -> None:
    bench = Bench(config.Check(type="mail", inter=4.0, jitter=0))
    bench.first()
    bench.check.end()
    bench.prober.check_soon()
    assert bench.begun_after(4.0)


def test_soon_does_not_start_what_was_stopped() -> None:
    bench = Bench()
    bench.prober.check_soon()
    assert bench.clock.getDelayedCalls() == []


def test_now_is_at_once() -> None:
    bench = Bench()
    bench.first()
    bench.check.end()
    bench.prober.check_now()
    assert len(bench.check.begun) == 2
    bench.check.end()
    assert bench.begun_after(4.0)


def test_now_leaves_a_run_alone() -> None:
    bench = Bench()
    bench.first()
    bench.prober.check_now()
    assert len(bench.check.begun) == 1


def test_now_does_not_start_what_was_stopped() -> None:
    bench = Bench()
    bench.prober.check_now()
    assert bench.clock.getDelayedCalls() == []


def test_stop_while_waiting_leaves_nothing() -> None:
    bench = Bench()
    bench.prober.start()
    bench.prober.stop()
    assert bench.clock.getDelayedCalls() == []


def test_stop_ends_a_run_without_a_word() -> None:
    bench = Bench()
    bench.first()
    bench.prober.stop()
    assert bench.check.runs[0].is_cancelled
    bench.check.end()
    assert bench.reported == []
    assert bench.clock.getDelayedCalls() == []


def test_receiver_of_an_outcome_may_stop_the_prober() -> None:
    bench = Bench()
    bench.prober = Prober(
        bench.server,
        NO_JITTER,
        bench.check,
        lambda _: bench.prober.stop(),
        clock=bench.clock,
        pace=bench.pace,
        random=lambda: 0.5,
    )
    bench.first()
    bench.check.end()
    assert bench.clock.getDelayedCalls() == []


def test_stopped_prober_starts_again() -> None:
    bench = Bench()
    bench.first()
    bench.prober.stop()
    bench.check.over = None
    bench.first()
    bench.check.end()
    assert bench.reported == [PASSED]
    assert len(bench.clock.getDelayedCalls()) == 1


def test_server_without_an_address_is_not_checked() -> None:
    bench = Bench()
    bench.server.target = None
    bench.first()
    bench.clock.advance(4.0)
    assert bench.check.begun == []
    bench.server.target = TARGET
    assert bench.begun_after(4.0)


def test_server_in_maintenance_is_not_checked() -> None:
    bench = Bench()
    bench.server.state = "maint"
    bench.first()
    assert bench.check.begun == []
    bench.server.state = "drain"
    assert bench.begun_after(4.0)


def test_server_without_health_has_the_usual_interval() -> None:
    bench = Bench()
    bench.server.health = None
    bench.first()
    bench.check.end()
    assert bench.begun_after(4.0)


def test_checks_continue_after_a_bug_in_one() -> None:
    bench = Bench()
    bench.check.bug = KeyError("x")
    bench.first()
    assert [outcome.reason for outcome in bench.reported] == ["internal error"]
    assert not bench.reported[0].ok
    assert bench.begun_after(4.0)


def test_checks_continue_after_a_bug_in_a_receiver() -> None:
    bench = Bench()

    def report(outcome: Outcome) -> None:
        raise KeyError("x")

    bench.prober = Prober(
        bench.server, NO_JITTER, bench.check, report, clock=bench.clock, pace=bench.pace, random=lambda: 0.5
    )
    bench.first()
    with pytest.raises(KeyError):
        bench.check.end()
    assert bench.begun_after(4.0)


def test_prober_waits_for_its_place() -> None:
    bench = Bench()
    for _ in range(BURST):
        bench.pace.wait(2.0)
    bench.prober.start()
    bench.clock.advance(2.0)
    assert bench.check.begun == []
    bench.clock.advance(2 * GAP_SECONDS)
    assert len(bench.check.begun) == 1


@given(
    st.lists(
        st.sampled_from(["start", "stop", "soon", "now", "end"]) | st.floats(0, 10, allow_nan=False, width=16),
        max_size=30,
    )
)
def test_whatever_happens_it_waits_for_one_thing(events: list[str | float]) -> None:
    bench = Bench()
    is_started = False
    for event in events:
        if event == "start" and not is_started:
            bench.prober.start()
            is_started = True
        elif event == "stop":
            bench.prober.stop()
            bench.check.over = None
            is_started = False
        elif event == "soon":
            bench.prober.check_soon()
        elif event == "now":
            bench.prober.check_now()
        elif event == "end" and bench.check.over is not None:
            bench.check.end()
        elif isinstance(event, float):
            bench.clock.advance(event)
        assert len(bench.clock.getDelayedCalls()) + bench.prober.is_running == is_started
