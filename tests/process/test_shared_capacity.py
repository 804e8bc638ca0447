"""A bound on the sessions of several workers."""

from __future__ import annotations

import os
from typing import Any

import pytest

from mailproxy.counting.page import Pages
from mailproxy.counting.places import Places
from mailproxy.process.shared_capacity import SharedCapacity, WatchedCapacity, limit_names
from tests.transport.listener import FakeListener


class Bench:
    """Two workers with one bound, and a listener each."""

    def __init__(self, maximum: int) -> None:
        self.pages, self.places = Pages(2), Places()
        self.places.add(dict.fromkeys(limit_names("maxconn"), 1))
        self.pages.used = self.places.used
        self.workers = [SharedCapacity("maxconn", self.pages, number, self.places) for number in range(2)]
        self.listeners: list[Any] = [FakeListener(), FakeListener()]
        for capacity, listener in zip(self.workers, self.listeners, strict=True):
            capacity.resize(maximum)
            capacity.apply_to(listener)

    @property
    def accepts(self) -> list[bool]:
        return [listener.accepts for listener in self.listeners]

    def answer_bells(self) -> None:
        """Let each woken worker check the pages."""
        for bell, capacity in zip(self.pages.bells, self.workers, strict=True):
            try:
                os.eventfd_read(bell)
            except BlockingIOError:
                continue
            capacity.resume_if_room()


@pytest.fixture
def bench() -> Bench:
    return Bench(2)


def test_sessions_of_all_workers_count(bench: Bench) -> None:
    one, other = bench.workers
    one.join()
    assert bench.accepts == [True, True]
    other.join()
    assert bench.accepts == [True, False]
    assert one.sessions == other.sessions == 2


def test_each_further_worker_may_have_one_session_more(bench: Bench) -> None:
    one, other = bench.workers
    one.join()
    one.join()
    assert bench.accepts == [False, True]
    other.join()
    assert bench.accepts == [False, False]


def test_worker_accepts_again_when_a_session_of_another_one_ends(bench: Bench) -> None:
    one, other = bench.workers
    one.join()
    other.join()
    one.leave()
    assert bench.accepts == [True, False]
    bench.answer_bells()
    assert bench.accepts == [True, True]


def test_worker_accepts_again_when_its_own_session_ends(bench: Bench) -> None:
    one, _ = bench.workers
    one.join()
    one.join()
    one.leave()
    assert bench.accepts == [True, True]


def test_bound_may_grow_and_shrink(bench: Bench) -> None:
    one, _ = bench.workers
    one.join()
    one.join()
    one.resize(3)
    assert bench.accepts == [True, True]
    one.resize(1)
    assert bench.accepts == [False, True]


def test_listener_that_begins_at_the_bound_waits(bench: Bench) -> None:
    one, _ = bench.workers
    one.join()
    one.join()
    later: Any = FakeListener()
    one.apply_to(later)
    assert later.reasons == {"maxconn"}
    one.leave()
    assert not later.reasons


def test_sessions_of_a_worker_that_has_ended_leave(bench: Bench) -> None:
    one, other = bench.workers
    one.join()
    other.join()
    bench.pages.fold(0, bench.places.counters)
    other.resume_if_room()
    assert bench.accepts[1]
    assert other.sessions == 1


def test_main_process_sees_all_sessions(bench: Bench) -> None:
    for capacity in bench.workers:
        capacity.join()
    assert WatchedCapacity("maxconn", bench.pages.workers, bench.places).sessions == 2
