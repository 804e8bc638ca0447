"""The cost of choosing a server: what is measured, not how fast it is."""

import pytest

from benchmarks.choose import CHOICE_TARGETS, Row, busy_pool, change, choose, queueing_pool, retry, returning_pool
from mailproxy.balance.rule import RULES


@pytest.mark.parametrize(("cost", "misses"), [(19.9, False), (20.1, True)])
def test_costs_are_compared_with_the_targets(cost: float, misses: bool) -> None:
    assert Row("first", {10: 1, 100: cost, 1000: 999}, CHOICE_TARGETS).misses == misses


@pytest.mark.parametrize("rule", RULES)
def test_choosing_leaves_the_pool_as_it_was(rule: str) -> None:
    pool = busy_pool(rule, 10)
    before = sorted(server.sessions for server in pool.servers)
    assert choose(pool) > 0
    assert retry(pool) > 0
    assert change(pool) > 0
    assert sorted(server.sessions for server in pool.servers) == before


def test_returning_servers_are_in_their_slowstart() -> None:
    pool = returning_pool("leastconn", 10)
    assert [server.places for server in pool.servers] == [500] * 10


def test_queueing_pool_is_full() -> None:
    pool = queueing_pool("leastconn", 10)
    assert pool.is_full
    assert pool.queued > 0
