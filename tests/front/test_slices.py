"""Work in slices of a millisecond, between which others have their turn."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from twisted.internet.task import Clock

from mailproxy.front.slices import PAUSE_SECONDS, Slices
from mailproxy.tls.steps import Steps


class Bench:
    """Slices, and a timer that each look advances by 0.4 ms: a slice has two steps."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ticks = 0.0
        self.slices = Slices(self.clock, self._timer)
        self.done: list[str] = []

    def _timer(self) -> float:
        self.ticks += 0.0004
        return self.ticks

    def work(self, name: str, steps: int) -> Steps[str]:
        for number in range(steps):
            self.done.append(f"{name}{number}")
            yield
        return name

    def turn(self) -> list[str]:
        """Return what is done in the next slice."""
        self.done.clear()
        self.clock.advance(PAUSE_SECONDS)
        return list(self.done)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_work_has_pauses(bench: Bench) -> None:
    results: list[str] = []
    bench.slices.run(lambda: bench.work("a", 5)).addCallback(results.append)
    assert bench.done == ["a0", "a1"]
    assert (bench.turn(), results) == (["a2", "a3"], [])
    assert (bench.turn(), results) == (["a4"], ["a"])


def test_pieces_of_work_are_done_one_after_the_other(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.slices.run(partial(bench.work, name, 3))
    assert bench.done == ["a0", "a1"]
    assert bench.turn() == ["a2", "b0", "b1"]
    assert bench.turn() == ["b2"]


def test_error_is_the_result_and_ends_the_work_alone(bench: Bench) -> None:
    def bad() -> Steps[str]:
        yield
        raise ValueError("bad")

    caught: list[Any] = []
    bench.slices.run(bad).addErrback(caught.append)
    bench.slices.run(lambda: bench.work("a", 1))
    assert caught[0].check(ValueError)
    assert bench.done == ["a0"]
