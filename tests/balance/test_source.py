"""The rule ``source``."""

import random
import subprocess
import sys
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.balance.pool_server import PoolServer
from mailproxy.balance.source import client_key, pick
from tests.balance.builders import candidates

CLIENTS = [number.to_bytes(4, "big") for number in range(20_000)]


def homes(servers: list[PoolServer], clients: list[bytes] = CLIENTS) -> list[str]:
    return [pick(servers, client).name for client in clients]


def test_ipv4_address_is_the_key() -> None:
    assert client_key(IPv4Address("192.0.2.1")) == bytes([192, 0, 2, 1])


def test_hosts_of_one_64_are_one_client() -> None:
    assert client_key(IPv6Address("2001:db8:1:2::3")) == client_key(IPv6Address("2001:db8:1:2:ffff::9"))


def test_hosts_of_two_64s_are_two_clients() -> None:
    assert client_key(IPv6Address("2001:db8:1:2::3")) != client_key(IPv6Address("2001:db8:1:3::3"))


def test_mapped_address_is_an_ipv4_address() -> None:
    assert client_key(IPv6Address("::ffff:192.0.2.1")) == client_key(IPv4Address("192.0.2.1"))


GOLDEN = {
    "192.0.2.1": "d3",
    "192.0.2.2": "d2",
    "198.51.100.77": "d3",
    "203.0.113.9": "d1",
    "2001:db8::1": "d1",
    "2001:db8:0:1::1": "d1",
    "2001:db8:ffff::1": "d2",
}
"""Where clients are with d1 (weight 100), d2 (100) and d3 (50). A change of this sends every client elsewhere."""


@pytest.mark.parametrize("address", GOLDEN)
def test_clients_stay_across_versions(address: str) -> None:
    assert pick(candidates(d1=100, d2=100, d3=50), client_key(ip_address(address))).name == GOLDEN[address]


def test_clients_stay_across_processes() -> None:
    program = (
        "from tests.balance.test_source import homes, candidates;"
        "print(''.join(homes(candidates(a=1, b=1, c=2), [b'%d' % n for n in range(100)])))"
    )
    command = [sys.executable, "-c", program]
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    printed = subprocess.check_output(command, env=environment, text=True)
    clients = [b"%d" % number for number in range(100)]
    assert printed.strip() == "".join(homes(candidates(a=1, b=1, c=2), clients))


def test_order_of_the_servers_does_not_matter() -> None:
    servers = candidates(a=1, b=2, c=3, d=100)
    assert homes(servers, CLIENTS[:500]) == homes(servers[::-1], CLIENTS[:500])


def test_clients_are_spread_by_weight() -> None:
    counts = Counter(homes(candidates(a=1, b=2, c=7)))
    assert [counts[one] / len(CLIENTS) for one in "abc"] == pytest.approx([0.1, 0.2, 0.7], abs=0.01)


def test_many_servers_have_equal_parts() -> None:
    """200 clients each on average: the deviation of fair lots is about 14."""
    servers = candidates(**{f"d{number}": 100 for number in range(100)})
    counts = Counter(homes(servers))
    assert len(counts) == 100
    assert max(abs(count - 200) for count in counts.values()) < 5 * 14


def test_clients_of_a_server_that_left_are_spread_over_the_others() -> None:
    servers = candidates(a=1, b=1, c=1, d=1)
    before = homes(servers)
    after = homes(servers[1:])
    moved = Counter(new for old, new in zip(before, after, strict=True) if old == "a")
    assert [moved[one] / moved.total() for one in "bcd"] == pytest.approx([1 / 3] * 3, abs=0.03)


NAMES = st.lists(st.text("abcdef0123456789-", min_size=1, max_size=8), min_size=2, max_size=9, unique=True)


@given(NAMES, st.randoms(use_true_random=False))
def test_only_the_clients_of_the_server_that_left_move(names: list[str], source: random.Random) -> None:
    servers = candidates(**{name: source.randint(1, 256) for name in names})
    left = source.choice(servers)
    others = [one for one in servers if one is not left]
    for client in CLIENTS[:200]:
        home = pick(servers, client)
        if home is not left:
            assert pick(others, client) is home


@given(NAMES, st.randoms(use_true_random=False))
def test_more_weight_takes_clients_but_moves_none_among_the_others(names: list[str], source: random.Random) -> None:
    servers = candidates(**{name: source.randint(1, 128) for name in names})
    before = [pick(servers, client) for client in CLIENTS[:200]]
    grown = source.choice(servers)
    grown.share *= 2
    for client, home in zip(CLIENTS[:200], before, strict=True):
        assert pick(servers, client) in (home, grown)
