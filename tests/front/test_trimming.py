"""Memory that is given back after many sessions at once."""

from __future__ import annotations

from pathlib import Path
from platform import libc_ver
from resource import getpagesize

import pytest
from twisted.internet.task import Clock

from mailproxy.front.trimming import (
    AGAIN_SECONDS,
    BUSY_EVENTS,
    LOOK_SECONDS,
    MAX_TRIES,
    MIN_PEAK,
    REST_SECONDS,
    Trimming,
    find_trim,
)
from mailproxy.transport.poller import Poller


class Bench:
    """A process with a number of sessions."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.poller = Poller(self.clock.seconds)
        self.sessions = 0
        self.trims = 0
        self.trimming = Trimming(lambda: self.sessions, self.clock, self.poller, self._trim)
        self.trimming.start()

    def _trim(self) -> None:
        self.trims += 1

    def has(self, sessions: int) -> None:
        """Have this number of sessions for a while."""
        self.sessions = sessions
        self.clock.advance(LOOK_SECONDS)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_fall_to_half_gives_memory_back_once(bench: Bench) -> None:
    bench.has(MIN_PEAK)
    bench.has(MIN_PEAK // 2)
    bench.has(0)
    assert bench.trims == 1


def test_fall_to_more_than_half_keeps_memory(bench: Bench) -> None:
    bench.has(MIN_PEAK)
    bench.has(MIN_PEAK // 2 + 1)
    assert bench.trims == 0


def test_few_sessions_keep_their_memory(bench: Bench) -> None:
    bench.has(MIN_PEAK - 1)
    bench.has(0)
    assert bench.trims == 0


def test_next_fall_waits_for_a_minute(bench: Bench) -> None:
    for _ in range(2):
        bench.has(MIN_PEAK)
        bench.has(0)
    assert bench.trims == 1
    bench.clock.advance(REST_SECONDS)
    assert bench.trims == 2


def test_busy_loop_is_not_interrupted(bench: Bench) -> None:
    bench.has(MIN_PEAK)
    bench.poller.batch = BUSY_EVENTS + 1
    bench.has(0)
    assert bench.trims == 0
    bench.poller.batch = 0
    bench.clock.advance(AGAIN_SECONDS)
    assert bench.trims == 1


def test_loop_that_stays_busy_is_interrupted_in_the_end(bench: Bench) -> None:
    bench.has(MIN_PEAK)
    bench.poller.batch = BUSY_EVENTS + 1
    bench.has(0)
    for _ in range(MAX_TRIES):
        bench.clock.advance(AGAIN_SECONDS)
    assert bench.trims == 1


def test_nothing_is_looked_at_after_the_stop(bench: Bench) -> None:
    bench.trimming.stop()
    assert not bench.clock.getDelayedCalls()


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="other libraries give memory back by themselves")
def test_memory_can_be_given_back_here() -> None:
    blocks = [b"x" * size for size in range(4000, 14_000)]
    kept = blocks[::100]  # so that the C library keeps what is freed between them
    blocks.clear()
    before = resident()
    find_trim()()
    assert before - resident() > 50_000_000
    assert kept


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()
