"""The rule ``random``, with fixed numbers and fixed seeds."""

import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from statistics import pstdev

import pytest

from mailproxy.balance.random import pick
from mailproxy.balance.rule import Rule
from tests.balance.builders import candidates, pool, server


def drawn(*numbers: float) -> str:
    """The server picked from a (weight 1) and b (weight 3), which has one session, with these draws."""
    a, b = candidates(a=1, b=3)
    b.sessions = 1
    return pick([a, b], b"", iter(numbers).__next__).name


@pytest.mark.parametrize(
    ("numbers", "name"),
    [((0.0, 0.24), "a"), ((0.25, 0.99), "b"), ((0.0, 0.5), "a"), ((0.5, 0.0), "a")],
)
def test_less_loaded_of_two_draws_wins(numbers: Sequence[float], name: str) -> None:
    assert drawn(*numbers) == name


def test_load_counts_by_weight() -> None:
    a, b = candidates(a=10, b=100)
    a.sessions, b.sessions = 2, 10
    assert pick([a, b], b"", iter([0.0, 0.5]).__next__) is b


def test_last_server_has_what_rounding_leaves_over() -> None:
    servers = candidates(a=0.1, b=0.2, c=0.3)
    assert pick(servers, b"", lambda: 1 - 2**-53).name == "c"


def test_idle_servers_are_picked_by_weight() -> None:
    servers = candidates(a=1, b=2, c=7)
    source = random.Random(4)
    counts = Counter(pick(servers, b"", source.random).name for _ in range(10_000))
    assert [counts[one] / 10_000 for one in "abc"] == pytest.approx([0.1, 0.2, 0.7], abs=0.015)


def test_two_choices_spread_better_than_one() -> None:
    """2000 sessions on 20 servers: one choice leaves a deviation of about 10, two about 1."""
    source = random.Random(5)
    servers = [server(f"s{number}") for number in range(20)]
    spread = pool(servers, Rule(partial(pick, draw=source.random), "drawn"))
    for _ in range(2000):
        spread.pick(b"", (), 0)
    assert pstdev([one.sessions for one in servers]) < 2.5
