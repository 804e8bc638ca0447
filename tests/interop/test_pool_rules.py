"""Which server of a pool gets the next client, by each rule, as the servers see it."""

from contextlib import ExitStack

from tests.interop.conftest import StartPool
from tests.interop.front import Table
from tests.interop.pool import Pool
from tests.interop.waiting import until

ANYBODY = ["127.0.0.1"]
CLIENTS = [f"127.0.0.{number}" for number in range(11, 41)]


def holding(stack: ExitStack, pool: Pool, count: int) -> dict[str, int]:
    """Connect this number of clients, keep them, and return the number at each server."""
    for _ in range(count):
        stack.enter_context(pool.client()).server  # noqa: B018  # awaited: the next one comes when this one is there
    return {name: len(recorder.connections) for name, recorder in pool.recorders.items()}


def test_leastconn_gives_each_server_its_share_of_the_sessions_by_weight(pool: StartPool) -> None:
    started = pool({"a": {"weight": 100}, "b": {"weight": 100}, "c": {"weight": 50}}, checked=False)
    with ExitStack() as stack:
        assert holding(stack, started, 25) == {"a": 10, "b": 10, "c": 5}


def test_leastconn_sends_new_clients_to_where_clients_have_left(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}}, checked=False, balance="leastconn")
    with ExitStack() as stack:
        clients = [stack.enter_context(started.client()) for _ in range(6)]
        servers = [client.server for client in clients]
        for client, server in zip(clients, servers, strict=True):
            if server == "a":
                client.leave()
                assert started.front.session(client.address)  # when it is logged, its place is free
        assert [stack.enter_context(started.client()).server for _ in range(3)] == ["a", "a", "a"]


def test_leastconn_goes_round_while_all_have_as_few(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}, "c": {}}, checked=False)
    assert started.spread(ANYBODY * 12) == {"a": 4, "b": 4, "c": 4}


def test_roundrobin_gives_each_server_its_share_of_the_clients_by_weight(pool: StartPool) -> None:
    servers = {"a": {"weight": 3}, "b": {"weight": 2}, "c": {"weight": 1}}
    started = pool(servers, checked=False, balance="roundrobin")
    assert started.spread(ANYBODY * 30) == {"a": 15, "b": 10, "c": 5}


def test_random_lets_no_server_get_far_more_than_another(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}, "c": {}}, checked=False, balance="random")
    with ExitStack() as stack:
        counts = holding(stack, started, 30)
    # More than 6 apart are one run in a thousand, more than 12 one in a million. That two draws spread better than one
    # is a unit test's, which has a fixed seed.
    assert max(counts.values()) - min(counts.values()) <= 12


def test_first_fills_a_server_before_the_next_gets_anybody(pool: StartPool) -> None:
    started = pool({"a": {"maxconn": 2}, "b": {"maxconn": 2}, "c": {}}, checked=False, balance="first")
    with ExitStack() as stack:
        clients = [stack.enter_context(started.client()) for _ in range(5)]
        assert [client.server for client in clients] == ["a", "a", "b", "b", "c"]
        clients[1].leave()
        assert started.front.session(clients[1].address)  # when it is logged, its place is free
        assert stack.enter_context(started.client()).server == "a"


def test_source_sends_a_client_to_the_same_server_each_time(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}, "c": {}}, checked=False, balance="source")
    with ExitStack() as stack:
        first = [stack.enter_context(started.client(source)).server for source in CLIENTS]
        again = [stack.enter_context(started.client(source)).server for source in reversed(CLIENTS)]
    assert again[::-1] == first
    assert set(first) == {"a", "b", "c"}


def test_source_moves_only_the_clients_of_a_server_that_is_down_and_takes_them_back(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}, "c": {}}, balance="source")

    def servers() -> list[str]:
        with ExitStack() as stack:
            return [stack.enter_context(started.client(source)).server for source in CLIENTS]

    before = servers()
    started.turn_off("b")
    without = servers()
    assert [new for new, old in zip(without, before, strict=True) if old != "b"] == [s for s in before if s != "b"]
    assert "b" not in without
    started.turn_on("b")
    assert servers() == before


def test_server_of_weight_zero_in_drain_or_in_maintenance_gets_nobody(pool: StartPool) -> None:
    servers: dict[str, Table] = {
        "light": {"weight": 0},
        "drained": {"state": "drain"},
        "maintained": {"state": "maint"},
        "ready": {},
    }
    started = pool(servers, checked=False, balance="roundrobin")
    assert started.spread(ANYBODY * 10) == {"ready": 10}


def test_server_in_maintenance_is_not_checked_and_one_in_drain_is(pool: StartPool) -> None:
    started = pool({"drained": {"state": "drain"}, "maintained": {"state": "maint"}})
    until(lambda: len(started.switches["drained"].visits) > 3, "some checks")
    assert not started.switches["maintained"].visits


def test_backups_get_nobody_while_another_server_is_up(pool: StartPool) -> None:
    started = pool({"backup": {"backup": True}, "a": {}, "b": {}})
    started.turn_off("a")
    assert started.spread(ANYBODY * 6) == {"b": 6}


def test_first_backup_alone_takes_over_when_all_others_are_down(pool: StartPool) -> None:
    started = pool({"a": {}, "b1": {"backup": True}, "b2": {"backup": True}})
    started.turn_off("a")
    assert started.spread(ANYBODY * 6) == {"b1": 6}
    started.turn_off("b1")
    assert started.spread(ANYBODY * 6) == {"b2": 6}
    started.turn_on("a")
    assert started.spread(ANYBODY * 6) == {"a": 6}


def test_all_backups_share_the_clients_if_so_configured(pool: StartPool) -> None:
    started = pool({"a": {}, "b1": {"backup": True}, "b2": {"backup": True}}, allbackups=True, balance="roundrobin")
    started.turn_off("a")
    assert started.spread(ANYBODY * 6) == {"b1": 3, "b2": 3}
