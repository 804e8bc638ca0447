"""How workers have ended, in words, and for how long that is reported."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from mailproxy.process.worker_ends import RECENT_SECONDS, WorkerEnds, described, how_it_ended

AT = 12 * 3600 + 185.0
"""12:03:05."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ends(clock: Clock) -> WorkerEnds:
    return WorkerEnds(clock, lambda: AT + clock.seconds())


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "unknown reason: the forker that made it has ended, or has not reported"),
        (0, "exit status 0"),
        (1, "exit status 1"),
        (-11, "killed by SIGSEGV"),
        (-77, "killed by signal 77"),
    ],
)
def test_end_of_a_process_is_described(status: int, words: str) -> None:
    assert described(status) == words


@pytest.mark.parametrize(
    ("status", "was_silent", "words"),
    [
        (None, False, "ended for an unknown reason"),
        (1, False, "ended with exit status 1"),
        (-9, False, "was killed by SIGKILL"),
        (-9, True, "did not respond and was killed"),
    ],
)
def test_end_of_a_worker_is_described(status: int, was_silent: bool, words: str) -> None:
    assert how_it_ended(status, was_silent=was_silent) == words


def test_end_is_reported_with_its_time_and_whether_there_is_another_one(ends: WorkerEnds) -> None:
    ends.add(2, "was killed by SIGKILL")
    assert ends.sentences({2}) == ("worker 2 was killed by SIGKILL at 12:03:05 UTC, and was replaced",)
    assert ends.sentences({1}) == ("worker 2 was killed by SIGKILL at 12:03:05 UTC, and is not replaced yet",)


def test_end_is_reported_for_some_minutes(ends: WorkerEnds, clock: Clock) -> None:
    ends.add(2, "was killed by SIGKILL")
    clock.advance(RECENT_SECONDS - 1)
    assert len(ends.sentences({2})) == 1
    clock.advance(1)
    assert ends.sentences({2}) == ()
    assert ends.count == 1


def test_worker_that_ends_again_and_again_has_one_sentence(ends: WorkerEnds, clock: Clock) -> None:
    ends.add(2, "ended with exit status 1")
    clock.advance(10)
    ends.add(2, "was killed by SIGSEGV")
    ends.add(0, "was killed by SIGSEGV")
    words = "was killed by SIGSEGV at 12:03:15 UTC, and was replaced"
    assert ends.sentences({0, 2}) == (f"worker 0 {words}", f"worker 2 {words}; it has ended 2 times in 10 minutes")


def test_worker_that_cannot_be_replaced_has_a_sentence_for_good(ends: WorkerEnds, clock: Clock) -> None:
    ends.add(1, how_it_ended(-9))
    words = "cannot be replaced, as both forkers have ended: restart mailproxy, or start its successor with --take-over"
    assert ends.sentences({0}, {1}) == (f"worker 1 was killed by SIGKILL at 12:03:05 UTC, and {words}",)
    clock.advance(RECENT_SECONDS)
    assert ends.sentences({0}, {1}) == (f"worker 1 {words}",)
