"""The stop of all workers, and what the main process does meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailproxy.front.gentle_stop import StopTimes
from mailproxy.process.workers_stop import WorkersStop

TIMES = StopTimes(delay=5.0, timeout=60.0)


class FakeWorkers:
    """Workers that end when the test says so."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()
        self.times: list[StopTimes] = []
        self.hurried = 0

    def stop(self, times: StopTimes) -> Deferred[None]:
        self.times.append(times)
        return self.ended

    def stop_now(self) -> None:
        self.hurried += 1


class FakeSockets:
    """Listening sockets."""

    is_open = True

    def close(self) -> None:
        self.is_open = False


class FakeGeneration:
    """A generation of the main process."""

    is_retired = False

    def retire(self) -> None:
        self.is_retired = True


class Bench:
    """A stop that has begun."""

    def __init__(self, workers: Any, generation: Any, sockets: Any) -> None:
        self.clock = Clock()
        self.workers = workers
        self.generation = generation
        self.sockets = sockets
        self.stop = WorkersStop(workers, generation, sockets, TIMES, self.clock)
        self.stopped = self.stop.begin()


@pytest.fixture
def bench() -> Bench:
    return Bench(FakeWorkers(), FakeGeneration(), FakeSockets())


def test_workers_get_the_times(bench: Bench) -> None:
    assert bench.workers.times == [TIMES]


def test_sockets_stay_as_long_as_workers_accept(bench: Bench) -> None:
    bench.clock.advance(4.9)
    assert bench.sockets.is_open
    bench.clock.advance(0.1)
    assert not bench.sockets.is_open
    assert not bench.stopped.called


def test_servers_are_checked_until_the_last_worker_has_ended(bench: Bench) -> None:
    bench.clock.advance(60.0)
    assert not bench.generation.is_retired
    bench.workers.ended.callback(None)
    assert bench.generation.is_retired
    assert bench.stopped.called


def test_workers_that_end_early_leave_no_socket_open(bench: Bench) -> None:
    bench.workers.ended.callback(None)
    assert not bench.sockets.is_open
    assert bench.clock.getDelayedCalls() == []


def test_stop_is_hurried_in_the_workers(bench: Bench) -> None:
    bench.stop.hurry()
    assert bench.workers.hurried == 1
