"""How many addresses of the Internet some ranges cover."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.networks.internet import IPV6, addresses_in

LIMITS = [10, 20, 30, 40]
"""Two ranges: 10 to 19, and 30 to 39."""


@pytest.mark.parametrize(
    ("first", "end", "count"),
    [
        (0, 50, 20),
        (0, 10, 0),
        (10, 20, 10),
        (12, 15, 3),
        (15, 35, 10),
        (20, 30, 0),
        (39, 40, 1),
        (40, 50, 0),
        (5, 5, 0),
    ],
)
def test_addresses_of_a_span_are_counted(first: int, end: int, count: int) -> None:
    assert addresses_in(LIMITS, [(first, end)]) == count


def test_spans_are_added_up() -> None:
    assert addresses_in(LIMITS, [(0, 15), (35, 50), (16, 12)]) == 10


@given(st.sets(st.integers(0, 30), max_size=10), st.integers(0, 30), st.integers(0, 30))
def test_count_is_that_of_a_look_at_each_address(found: set[int], first: int, end: int) -> None:
    limits = sorted(found)[: len(found) // 2 * 2]
    inside = {address for one, other in zip(limits[::2], limits[1::2], strict=True) for address in range(one, other)}
    assert addresses_in(limits, [(first, end)]) == len(inside & set(range(first, end)))


def test_networks_of_registries_are_apart() -> None:
    assert all(end <= first for (_, end), (first, _) in pairwise(IPV6))
