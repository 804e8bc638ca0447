"""Pools of several processes with the same servers."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pytest

from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from tests.balance.builders import Client, pool, server


class Machine:
    """The shared state of processes: sessions by server, and waiting clients by process."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[int, str], int] = {}
        self.queues: dict[int, tuple[int, float]] = {}
        self.processes: list[Process] = []
        self.woken: list[int] = []
        self.time = 1.0

    def process(self, *servers: PoolServer, **settings: object) -> Process:
        made = Process(self, len(self.processes), servers, **settings)
        self.processes.append(made)
        return made

    def wake(self) -> None:
        """Run the pools that another process has woken."""
        while self.woken:
            self.processes[self.woken.pop(0)].pool.woken()


class Process:
    """One process: a pool, and what it shares."""

    def __init__(self, machine: Machine, number: int, servers: Sequence[PoolServer], **settings: object) -> None:
        self._machine = machine
        self._number = number
        self.pool: Pool[PoolServer] = pool(servers, **settings)  # type: ignore[arg-type]  # a pool's own
        self.pool.share_with_processes(self)

    def refresh_sessions(self) -> None:
        for one in self.pool.servers:
            one.sessions = sum(count for (_, name), count in self._machine.sessions.items() if name == one.name)

    def took(self, server: PoolServer) -> None:
        key = self._number, server.name
        self._machine.sessions[key] = self._machine.sessions.get(key, 0) + 1

    def left(self, server: PoolServer) -> None:
        self._machine.sessions[self._number, server.name] -= 1

    @property
    def _others(self) -> list[tuple[float, int, int]]:
        return sorted(
            (since, number, queued)
            for number, (queued, since) in self._machine.queues.items()
            if number != self._number and queued
        )

    @property
    def queued(self) -> int:
        return sum(queued for _, _, queued in self._others)

    @property
    def waiting_since(self) -> float:
        return min((since for since, _, _ in self._others), default=inf)

    def now(self) -> float:
        self._machine.time += 1.0
        return self._machine.time

    def wait(self, queued: int, since: float) -> None:
        self._machine.queues[self._number] = queued, since

    def wake(self) -> None:
        self._machine.woken += [number for _, number, _ in self._others[:1]]

    def pick(self) -> PoolServer | None:
        return self.pool.pick(b"", (), 0.0)

    def enqueue(self, client: Client) -> bool:
        return self.pool.enqueue(client, b"", ())


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize(("rule", "most"), [("leastconn", 0), ("random", 150)])
def test_sessions_of_all_processes_count(machine: Machine, rule: str, most: int) -> None:
    """By lot, the busy server is drawn twice in 100 of 400 cases; without the other's sessions, each gets 200."""
    one = machine.process(server("a"), server("b"), rule=rule)
    other = machine.process(server("a"), server("b"), rule="first")
    for _ in range(1000):
        other.pick()
    picked = [one.pick() for _ in range(400)]
    assert [found.name for found in picked if found is not None].count("a") <= most


@pytest.mark.parametrize("rule", ["roundrobin", "first", "source", "leastconn"])
def test_choice_that_needs_no_sessions_leaves_them_right(machine: Machine, rule: str) -> None:
    one, other = (machine.process(server(), rule=rule) for _ in range(2))
    ours, theirs = one.pick(), other.pick()
    assert ours is not None
    assert theirs is not None
    one.pick()
    other.pool.leave(theirs, 0.0)
    one.pool.leave(ours, 0.0)
    one.pool.refresh_sessions()
    assert ours.sessions == 1


def test_maxconn_is_for_all_processes(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=2)) for _ in range(2))
    assert one.pick() is not None
    assert other.pick() is not None
    assert one.pick() is None
    assert other.pick() is None


def test_place_that_comes_free_in_one_process_is_taken_in_another(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1)) for _ in range(2))
    place = one.pick()
    assert place is not None
    client = Client()
    assert other.enqueue(client)
    one.pool.leave(place, 0.0)
    machine.wake()
    assert client.received == [other.pool.servers[0]]
    assert one.pick() is None


def test_client_that_waits_longest_has_the_place_wherever_it_waits(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1)) for _ in range(2))
    place = one.pick()
    assert place is not None
    first, second = Client("first"), Client("second")
    other.enqueue(first)
    one.enqueue(second)
    one.pool.leave(place, 0.0)
    assert second.received == []
    machine.wake()
    assert len(first.received) == 1
    other.pool.leave(other.pool.servers[0], 0.0)
    machine.wake()
    assert len(second.received) == 1


def test_client_that_comes_takes_no_place_from_one_that_waits_elsewhere(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1)) for _ in range(2))
    place = one.pick()
    assert place is not None
    other.enqueue(Client())
    one.pool.leave(place, 0.0)
    assert one.pick() is None


def test_place_that_nobody_takes_is_taken_without_patience(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1)) for _ in range(2))
    place = one.pick()
    assert place is not None
    stopped, client = Client("stopped"), Client("client")
    other.enqueue(stopped)
    one.enqueue(client)
    one.pool.leave(place, 0.0)
    machine.woken.clear()
    one.pool.woken()
    assert client.received == []
    one.pool.woken(is_patient=False)
    assert len(client.received) == 1


def test_maxqueue_is_for_all_processes(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1), maxqueue=2) for _ in range(2))
    one.pick()
    assert one.enqueue(Client())
    assert other.enqueue(Client())
    assert not one.enqueue(Client())
    assert one.pool.queued == 2


def test_client_that_gives_up_is_not_waited_for(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1)) for _ in range(2))
    place = one.pick()
    assert place is not None
    client = Client()
    other.enqueue(client)
    other.pool.dequeue(client)
    one.pool.leave(place, 0.0)
    assert one.pick() is place


def test_process_that_shares_no_more_is_out_of_the_way(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1)) for _ in range(2))
    place = one.pick()
    assert place is not None
    other.enqueue(Client())
    other.pool.share_with_processes(None)
    assert one.pool.queued == 0


def test_queue_of_a_server_that_went_down_is_reported(machine: Machine) -> None:
    one, other = (machine.process(server(maxconn=1)) for _ in range(2))
    one.pick()
    client = Client()
    other.enqueue(client)
    other.pool.set_target(other.pool.servers[0], None, 0.0)
    assert client.received == [None]
    assert one.pool.queued == 0
