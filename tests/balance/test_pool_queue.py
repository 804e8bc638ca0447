"""The queue: waiting clients, and the order of service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from mailproxy.balance.rule import RULES
from tests.balance.builders import Client, checked, pool, server


def full(*servers: PoolServer, rule: str = "first", **settings: Any) -> Pool[PoolServer]:
    """A pool without a free place."""
    made = pool(servers, rule, **settings)
    for one in servers:
        one.sessions = one.maxconn
    return made


def waiting(made: Pool[PoolServer], count: int, *tried: PoolServer) -> list[Client]:
    clients = [Client(str(number)) for number in range(count)]
    for client in clients:
        assert made.enqueue(client, b"", tried)
    return clients


@define
class Acting:
    """A client that acts when it gets a server."""

    act: Callable[[PoolServer | None], object]
    received: list[PoolServer | None] = field(factory=list)

    def turn(self, server: PoolServer) -> None:
        self.received.append(server)
        self.act(server)

    def no_turn(self) -> None:
        self.received.append(None)
        self.act(None)

    __hash__ = object.__hash__


def test_place_that_is_given_back_goes_to_who_waits() -> None:
    made = full(a := server(maxconn=1))
    (client,) = waiting(made, 1)
    made.leave(a, 0)
    assert (client.received, a.sessions, made.queued) == ([a], 1, 0)


def test_queue_is_served_in_order() -> None:
    made = full(a := server(maxconn=1))
    first, second = waiting(made, 2)
    made.leave(a, 0)
    assert (first.received, second.received) == ([a], [])


def test_client_that_stops_waiting_is_not_served() -> None:
    made = full(a := server(maxconn=1))
    first, second = waiting(made, 2)
    assert made.dequeue(first)
    made.leave(a, 0)
    assert (first.received, second.received) == ([], [a])


def test_client_that_does_not_wait_cannot_stop() -> None:
    made = full(a := server(maxconn=1))
    (client,) = waiting(made, 1)
    made.leave(a, 0)
    assert not made.dequeue(client)


def test_queue_is_bounded() -> None:
    made = full(server(maxconn=1), maxqueue=2)
    waiting(made, 2)
    assert not made.enqueue(Client(), b"", ())
    assert made.queued == 2


def test_nobody_waits_for_a_pool_without_servers() -> None:
    assert not pool([server(state="maint")]).enqueue(Client(), b"", ())


def test_session_without_attempts_does_not_wait() -> None:
    made = full(a := server(maxconn=1), retries=1)
    assert not made.enqueue(Client(), b"", (a, a))


def test_all_clients_get_an_answer_when_the_last_server_is_gone() -> None:
    made = full(a := checked(maxconn=1))
    clients = waiting(made, 3)
    made.failed(a, 0, "refused")
    assert [client.received for client in clients] == [[None]] * 3
    assert made.queued == 0


def test_server_that_comes_up_serves_the_queue() -> None:
    a, b = server("a", maxconn=1), checked("b", maxconn=2)
    made = full(a, b)
    made.failed(b, 0, "refused")
    b.sessions = 0
    clients = waiting(made, 3)
    made.passed(b, 1)
    assert [client.received for client in clients] == [[b], [b], []]


def test_servers_that_serve_a_queue_share_by_the_rule() -> None:
    a, b, c = server("a", maxconn=1), server("b"), server("c")
    made = pool([a, b, c], "leastconn")
    made.set_state(b, "drain", 0)
    made.set_maxconn(c, 1, 0)
    a.sessions = c.sessions = 1
    waiting(made, 9)
    b.sessions = 3
    made.set_maxconn(b, 6, 1)
    made.set_maxconn(c, 6, 1)
    made.set_state(b, "ready", 1)
    assert (b.sessions, c.sessions) == (6, 6)


def test_more_places_serve_the_queue() -> None:
    made = full(a := server(maxconn=1))
    clients = waiting(made, 3)
    made.set_maxconn(a, 3, 0)
    assert [client.received for client in clients] == [[a], [a], []]


def test_fewer_places_take_nobodys_away() -> None:
    made = full(a := server(maxconn=3))
    made.set_maxconn(a, 1, 0)
    assert a.sessions == 3
    (client,) = waiting(made, 1)
    made.leave(a, 1)
    made.leave(a, 1)
    assert client.received == []
    made.leave(a, 1)
    assert (client.received, a.sessions) == ([a], 1)


def test_place_on_a_drained_server_serves_nobody() -> None:
    a, b = server("a", maxconn=2), server("b", maxconn=1)
    made = full(a, b)
    (client,) = waiting(made, 1)
    made.set_state(a, "drain", 0)
    made.leave(a, 0)
    assert client.received == []


def test_client_does_not_get_the_server_it_failed_with_last() -> None:
    a, b = server("a", maxconn=1), server("b", maxconn=1)
    made = full(a, b)
    failed = waiting(made, 1, a)[0]
    fresh = waiting(made, 1)[0]
    made.leave(a, 0)
    assert (failed.received, fresh.received) == ([], [a])
    made.leave(b, 0)
    assert failed.received == [b]


def test_client_gets_the_server_it_failed_with_when_no_other_is_left() -> None:
    a, b = server("a", maxconn=1), checked("b", maxconn=1)
    made = full(a, b)
    a.sessions = 0
    (client,) = waiting(made, 1, a)
    made.failed(b, 0, "refused")
    assert client.received == [a]


def test_who_has_a_turn_may_leave_at_once() -> None:
    """Thousands may fail in a row without one call inside another for each."""
    made = full(a := server(maxconn=1))
    clients = [Acting(lambda place: made.leave(a, 0)) for _ in range(5000)]
    for client in clients:
        made.enqueue(client, b"", ())
    made.leave(a, 0)
    assert all(client.received == [a] for client in clients)
    assert a.sessions == 0


def test_who_has_no_turn_may_try_to_wait_again() -> None:
    made = full(a := checked(maxconn=1))
    again: list[bool] = []
    client = Acting(lambda place: again.append(made.enqueue(client, b"", ())))
    made.enqueue(client, b"", ())
    made.failed(a, 0, "refused")
    assert (client.received, again) == ([None], [False])


def test_who_has_no_turn_may_take_others_along() -> None:
    made = full(a := checked(maxconn=1))
    other = Client()
    made.enqueue(Acting(lambda place: made.dequeue(other)), b"", ())
    made.enqueue(other, b"", ())
    made.failed(a, 0, "refused")
    assert other.received == []


def test_server_that_comes_back_while_clients_are_refused_serves_the_rest() -> None:
    made = full(a := server(maxconn=1))
    first = Acting(lambda place: made.set_state(a, "ready", 0))
    second = Client()
    made.enqueue(first, b"", ())
    made.enqueue(second, b"", ())
    made.set_state(a, "drain", 0)
    assert (first.received, second.received) == ([None], [])
    made.leave(a, 0)
    assert second.received == [a]


@pytest.mark.parametrize("rule", ["roundrobin", "leastconn", "first", "random"])
def test_newcomer_does_not_overtake(rule: str) -> None:
    made = full(a := server(maxconn=1), rule=rule)
    waiting(made, 1)
    made.leave(a, 0)
    assert made.pick(b"", (), 0) is None


def source_clients(made: Pool[PoolServer], home: PoolServer, count: int) -> list[bytes]:
    keys = [b"%d" % number for number in range(200)]
    return [key for key in keys if RULES["source"].pick(made.servers, key) is home][:count]


def test_client_by_source_waits_for_its_own_server() -> None:
    a, b = server("a", maxconn=1), server("b", maxconn=1)
    made = full(a, b, rule="source")
    client = Client()
    made.enqueue(client, source_clients(made, b, 1)[0], ())
    made.leave(a, 0)
    assert client.received == []
    made.leave(b, 0)
    assert client.received == [b]


def test_client_by_source_goes_elsewhere_when_its_server_is_gone() -> None:
    a, b = server("a", maxconn=1), checked("b", maxconn=1)
    made = full(a, b, rule="source")
    a.sessions = 0
    client = Client()
    made.enqueue(client, source_clients(made, b, 1)[0], ())
    made.failed(b, 0, "refused")
    assert client.received == [a]


def test_clients_by_source_keep_their_order_when_servers_change() -> None:
    a, b = server("a", maxconn=1), checked("b", maxconn=1)
    made = full(a, b, rule="source")
    late, early = Client("late"), Client("early")
    made.enqueue(early, source_clients(made, b, 1)[0], ())
    made.enqueue(late, source_clients(made, a, 1)[0], ())
    made.failed(b, 0, "refused")
    made.leave(a, 0)
    assert (early.received, late.received) == ([a], [])


def test_slowstart_serves_the_queue_as_places_grow() -> None:
    a = checked("a", maxconn=10, slowstart=100)
    made = pool([a, b := server("b", maxconn=1)])
    b.sessions = 1
    made.failed(a, 0, "refused")
    made.passed(a, 0)
    assert made.pick(b"", (), 0) is a
    clients = waiting(made, 2)
    made.refresh(20)
    assert [client.received for client in clients] == [[a], []]
