"""What a configuration wants to be counted of a network."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import permutations
from typing import get_args

import pytest

from mailproxy.config.measure import Counted
from mailproxy.sources.key import EVERYWHERE, key_maker, network_of, scope_of
from mailproxy.sources.plan import Column, keys_with
from mailproxy.sources.sources import rate_of
from mailproxy.sources.table import Table
from mailproxy.sources.window import count
from tests.config.builders import read

PER = {"label": "x", "if": {"auth-failures": {"over": "10/10m", "per": ["/24", "/56"]}}}


@pytest.mark.parametrize(
    ("network", "counted"),
    [
        ("192.0.2.7/32", ["192.0.2.7/32", "192.0.2.0/24"]),
        ("192.0.2.0/24", ["192.0.2.0/24"]),
        ("192.0.0.0/16", []),
        ("2001:db8::7/128", ["2001:db8::/64", "2001:db8::/56"]),
        ("2001:db8::/64", ["2001:db8::/64", "2001:db8::/56"]),
        ("2001:db8::/32", []),
    ],
)
def test_keys_of_a_network_are_those_that_count_all_of_it(network: str, counted: list[str]) -> None:
    given = ip_network(network)
    keys = keys_with(read(frontend__imaps__rule=[PER]), given.network_address.packed, given.prefixlen)
    assert sorted(str(network_of(key)) for key in keys) == sorted(counted)


def test_frontend_with_limits_has_keys_of_its_own() -> None:
    settings = read(frontend__imaps__limits={"source-rate": "10/1m"})
    keys = keys_with(settings, bytes([192, 0, 2, 7]), 32)
    assert scope_of("imaps") in [key[:4] for key in keys]


def test_nothing_is_counted_without_a_wish() -> None:
    assert keys_with(read(), bytes([192, 0, 2, 7]), 32) == ()


@pytest.mark.parametrize(("kind", "earlier"), list(permutations(get_args(Counted)[1:], 2)))
@pytest.mark.parametrize("later", [0.0, 1.0, 1024.0, 86_400.0])
def test_counts_of_another_kind_in_an_earlier_configuration_seem_old(
    kind: Counted, earlier: Counted, later: float
) -> None:
    table = Table(1000)
    place = table.enter(key_maker(EVERYWHERE, 32, 64)(bytes([192, 0, 2, 7])), 1000.0)
    column = Column(3, earlier, 1.0)
    count(table.numbers, place + column.place, column.time(1000.5))
    assert rate_of([(table, place)], column, 1000.5) == 1.0
    assert rate_of([(table, place)], Column(3, kind, 1.0), 1000.5 + later) == 0.0
