"""What two workers and their main process count together."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from mailproxy.backend.backend import Backend
from mailproxy.backend.numbers import FAILED
from mailproxy.balance.shared_pool import PATIENCE_SECONDS
from mailproxy.config import Config
from mailproxy.counting.page import Pages
from mailproxy.front.limits import SourceGate, make_gate
from mailproxy.front.vitals import CPU, DESCRIPTORS, STARTED
from mailproxy.process.counts import MainCounts, PageCounts, WorkerCounts
from mailproxy.session.numbers import CONNECTIONS
from mailproxy.sources.table import Table
from mailproxy.transport.poller import Poller
from tests.balance.builders import Client
from tests.config.builders import read

KEY = "dovecot", "imap"


class Bench:
    """A main process and two workers, with a pool each."""

    def __init__(self, **server: Any) -> None:
        self.settings: Config = read(backend__dovecot__server__d1=server | {"address": "10.41.1.131:10143"})
        self.clock = Clock()
        self.pages = Pages(2)
        self.main = MainCounts(self.pages)
        self.main.assign_places(self.settings)
        self.workers = [WorkerCounts(self.pages, number, self.clock) for number in range(2)]
        for worker in self.workers:
            worker.places.take(self.main.places.copy())
        self.backends = [self.backend(counts) for counts in (*self.workers, self.main)]

    def backend(self, counts: PageCounts) -> Backend:
        """A backend of one process, as one reading of the configuration has it."""
        made = Backend(self.settings.backends["dovecot"], "imap")
        counts.count_pool(*KEY, made.pool)
        return made

    def pick(self, worker: int) -> bool:
        return self.backends[worker].pool.pick(b"", (), 0.0) is not None

    def leave(self, worker: int) -> None:
        pool = self.backends[worker].pool
        pool.leave(pool.servers[0], 0.0)

    def wait(self, worker: int) -> Client:
        client = Client()
        assert self.backends[worker].pool.enqueue(client, b"", ())
        return client


@pytest.fixture
def bench() -> Bench:
    return Bench(maxconn=1)


def test_place_is_one_for_all(bench: Bench) -> None:
    assert bench.pick(0)
    assert not bench.pick(1)


def test_main_process_sees_sessions_and_queues(bench: Bench) -> None:
    bench.pick(0)
    bench.wait(1)
    pool = bench.backends[2].pool
    pool.set_weight(pool.servers[0], 7, 0.0)
    assert (pool.servers[0].sessions, pool.queued) == (1, 1)


def test_client_is_woken_when_a_place_comes_free_in_another_worker(bench: Bench) -> None:
    bench.pick(0)
    client = bench.wait(1)
    bench.workers[1].rung(0)
    assert client.received == []
    bench.leave(0)
    bench.workers[1].rung(0)
    assert len(client.received) == 1


def test_place_of_a_worker_that_has_ended_is_found_without_a_bell(bench: Bench) -> None:
    bench.pick(0)
    client = bench.wait(1)
    bench.main.fold(0)
    bench.clock.advance(PATIENCE_SECONDS)
    assert len(client.received) == 1


def test_client_of_a_stopped_worker_does_not_hold_a_place(bench: Bench) -> None:
    bench.pick(0)
    stopped = bench.wait(1)
    bench.workers[1].stop()
    client = bench.wait(0)
    bench.leave(0)
    assert client.received == []
    bench.clock.advance(PATIENCE_SECONDS)
    assert [len(one.received) for one in (stopped, client)] == [0, 1]


def test_nothing_is_looked_for_while_nobody_waits(bench: Bench) -> None:
    bench.pick(0)
    client = bench.wait(1)
    bench.backends[1].pool.dequeue(client)
    bench.clock.advance(PATIENCE_SECONDS)
    assert bench.clock.getDelayedCalls() == []


def test_sessions_of_an_earlier_reading_count(bench: Bench) -> None:
    bench.pick(0)
    later = bench.backend(bench.workers[0])
    assert later.pool.pick(b"", (), 0.0) is None
    bench.leave(0)
    assert later.pool.pick(b"", (), 0.0) is not None


def test_queue_is_reported_by_the_latest_reading(bench: Bench) -> None:
    bench.pick(0)
    bench.wait(0)
    bench.backend(bench.workers[0])
    previous = bench.backends[0].pool
    previous.enqueue(Client(), b"", ())
    assert bench.backends[1].pool.queued == 0


def test_counters_continue_when_a_worker_has_ended(bench: Bench) -> None:
    bench.workers[0].frontend("imaps").numbers[CONNECTIONS] += 2
    bench.main.fold(0)
    bench.workers[1].frontend("imaps").numbers[CONNECTIONS] += 1
    assert bench.main.frontend("imaps").sums()[CONNECTIONS] == 3


def test_numbers_of_a_server_are_those_of_all_workers_and_continue(bench: Bench) -> None:
    for number, backend in enumerate(bench.backends[:2]):
        backend.pool.servers[0].numbers[FAILED] += number + 1
    bench.main.fold(0)
    assert bench.main.server_totals(*KEY, "d1").numbers["failed"] == 3
    assert bench.workers[0].server(*KEY, "d1").sums()[FAILED] == 0


def test_later_reading_counts_on(bench: Bench) -> None:
    bench.backends[0].pool.servers[0].numbers[FAILED] += 1
    bench.backend(bench.workers[0]).pool.servers[0].numbers[FAILED] += 1
    assert bench.main.server(*KEY, "d1").sums()[FAILED] == 2


def test_stopped_worker_looks_no_more(bench: Bench) -> None:
    bench.pick(0)
    bench.wait(1)
    bench.workers[1].stop()
    assert bench.clock.getDelayedCalls() == []


def test_state_of_each_process_is_reported_until_it_ends(bench: Bench) -> None:
    for number, counts in enumerate((bench.main, *bench.workers)):
        counted, state = counts.process()
        counted.numbers[CPU] += 10
        state[STARTED] = state[DESCRIPTORS] = number + 1
    bench.main.fold(0)
    assert {name: state.numbers["descriptors"] for name, state in bench.main.states().items()} == {
        "main": 1,
        "worker 1": 3,
    }
    assert bench.main.process()[0].sums()[CPU] == 30


def gates(main: MainCounts, **limits: Any) -> list[SourceGate]:
    """The gates of two workers, with tables that were made before the fork."""
    keys = {name.replace("_", "-"): value for name, value in limits.items()}
    settings = read(limits=keys, backend__dovecot__server__d1={"address": "10.41.1.131:10143"})
    main.assign_places(settings)
    main.share_sources(settings.limits.size)
    made = []
    for number in range(2):
        worker = WorkerCounts(main.pages, number, Clock(), main.tables)
        gate = make_gate(settings, settings.frontends[0], worker.sources(settings.limits.size), Poller(lambda: 100.0))
        assert gate is not None
        made.append(gate)
    return made


SOURCE = bytes([192, 0, 2, 1])


def test_connections_of_a_source_count_over_all_workers_until_their_worker_dies() -> None:
    main = MainCounts(Pages(2))
    one, other = gates(main, source_connections=1)
    assert one.judge(SOURCE) is None
    one.take()
    assert other.judge(SOURCE) is not None
    main.fold(0)
    assert other.judge(SOURCE) is None


def test_rate_of_a_source_stays_when_its_worker_dies() -> None:
    main = MainCounts(Pages(2))
    one, other = gates(main, source_rate="1/1m")
    assert one.judge(SOURCE) is None
    main.fold(0)
    assert other.judge(SOURCE) is not None


def test_tables_of_workers_have_the_size_of_one_together() -> None:
    main = MainCounts(Pages(2))
    gates(main, sources=10_000)
    assert main.sources(10_000).tables == main.tables
    assert sum(table.sets for table in main.tables) == pytest.approx(Table(10_000).sets, abs=2)


def test_new_connections_of_all_workers_are_seen_by_each(bench: Bench) -> None:
    first, every = bench.workers[0].pace("imaps")
    first[0] = 7
    assert [numbers[0] for numbers in bench.workers[1].pace("imaps")[1]] == [numbers[0] for numbers in every] == [7, 0]
