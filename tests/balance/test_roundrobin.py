"""The rule ``roundrobin``."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.balance.pool_server import PoolServer
from mailproxy.balance.roundrobin import pick
from tests.balance.builders import candidates


def turns(servers: list[PoolServer], count: int) -> str:
    return "".join(pick(servers, b"").name for _ in range(count))


def test_equal_servers_take_turns_in_order() -> None:
    assert turns(candidates(a=1, b=1, c=1), 6) == "abcabc"


def test_weights_are_spread_over_the_cycle() -> None:
    assert turns(candidates(a=3, b=1), 8) == "aabaaaba"


def test_heavy_server_does_not_have_its_turns_in_a_row() -> None:
    assert turns(candidates(a=5, b=1, c=1), 7) == "aabacaa"


def test_server_that_comes_does_not_catch_up_on_what_it_missed() -> None:
    a, b, c = candidates(a=1, b=1, c=1)
    turns([a, b], 100)
    assert Counter(turns([a, b, c], 9)) == {"a": 3, "b": 3, "c": 3}


@given(weights=st.lists(st.integers(1, 256), min_size=1, max_size=8), skipped=st.integers(0, 500))
def test_every_cycle_has_exactly_the_weights(weights: list[int], skipped: int) -> None:
    servers = candidates(**{f"s{number}": weight for number, weight in enumerate(weights)})
    for _ in range(skipped):
        pick(servers, b"")
    counts = Counter(pick(servers, b"").name for _ in range(sum(weights)))
    assert [counts[one.name] for one in servers] == weights


@given(
    weights=st.lists(st.integers(1, 256), min_size=1, max_size=8),
    absent=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 60)), max_size=6),
)
def test_after_servers_were_away_a_cycle_has_the_weights_within_one(
    weights: list[int], absent: list[tuple[int, int]]
) -> None:
    servers = candidates(**{f"s{number}": weight for number, weight in enumerate(weights)})
    for number, picks in absent:
        others = [one for one in servers if one is not servers[number % len(servers)]] or servers
        for _ in range(picks):
            pick(others, b"")
    counts = Counter(pick(servers, b"").name for _ in range(sum(weights)))
    assert all(abs(counts[one.name] - one.weight) <= 1 for one in servers)


@given(weights=st.lists(st.integers(1, 256), min_size=2, max_size=8), count=st.integers(1, 300))
def test_within_a_cycle_no_server_is_ever_two_turns_off(weights: list[int], count: int) -> None:
    servers = candidates(**{f"s{number}": weight for number, weight in enumerate(weights)})
    counts: Counter[str] = Counter()
    total = sum(weights)
    for done in range(1, count + 1):
        counts[pick(servers, b"").name] += 1
        assert all(abs(counts[one.name] - done * one.weight / total) < 2 for one in servers)
