"""Looking up addresses among bans, and the bans' ends."""

import random
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.bans.ban import key_of
from mailproxy.bans.table import BanTable
from tests.bans.builders import ban, key


def packed(address: str) -> bytes:
    return ip_address(address).packed


def table(*networks: str, end: float = 100.0) -> BanTable:
    made = BanTable()
    for network in networks:
        made.put(ban(network, end=end))
    return made


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
        ("2001:db8::/64", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("192.0.2.7", "::ffff:192.0.2.7", "::192.0.2.7"),
    ],
)
def test_address_is_found_in_its_network(network: str, inside: str, outside: str) -> None:
    bans = table(network)
    assert bans.find(packed(inside), 0.0) == ban(network, end=100.0)
    assert bans.find(packed(outside), 0.0) is None


def test_ban_is_over_at_its_end() -> None:
    assert table("192.0.2.7", end=10.0).find(packed("192.0.2.7"), 10.0) is None


def test_network_counts_when_the_address_is_not_banned_any_more() -> None:
    bans = table("192.0.2.0/24")
    bans.put(ban("192.0.2.7", end=1.0))
    found = bans.find(packed("192.0.2.7"), 2.0)
    assert found is not None
    assert found.place == "192.0.2.0/24"


def test_removed_network_is_not_found() -> None:
    bans = table("192.0.2.0/24", "192.0.2.7")
    bans.remove(key("192.0.2.0/24"))
    bans.remove(key("192.0.2.0/24"))
    assert [one.place for one in bans] == ["192.0.2.7"]
    assert bans.find(packed("192.0.2.8"), 0.0) is None


def test_addresses_of_networks_are_added_up() -> None:
    bans = table("192.0.2.7", "192.0.2.0/24", "198.51.100.0/30", "2001:db8::/32")
    assert (bans.addresses(4), bans.addresses(16)) == (260, 1 << 96)
    assert [one.place for one in bans.wide_networks()] == ["192.0.2.0/24", "2001:db8::/32"]


def test_later_ban_replaces_an_earlier_one() -> None:
    bans = table("192.0.2.7", end=10.0)
    bans.put(ban("192.0.2.7", end=20.0))
    assert bans.expire(15.0, 10) == []
    assert bans.expire(20.0, 10) == [ban("192.0.2.7", end=20.0)]
    assert len(bans) == 0


def test_ends_come_in_order_and_a_few_at_a_time() -> None:
    bans = BanTable()
    for number in (3, 1, 2):
        bans.put(ban(f"192.0.2.{number}", end=float(number)))
    assert [one.place for one in bans.expire(9.0, 2)] == ["192.0.2.1", "192.0.2.2"]
    assert [one.place for one in bans.expire(9.0, 2)] == ["192.0.2.3"]


def test_ban_that_is_renewed_again_and_again_needs_no_more_memory() -> None:
    bans = BanTable()
    for end in range(5000):
        bans.put(ban("192.0.2.7", end=float(end)))
    assert len(bans._ends) <= 1003  # noqa: SLF001  # no method shows it
    assert bans.expire(4998.0, 10) == []
    assert len(bans.expire(4999.0, 10)) == 1


def of_size(size: int) -> st.SearchStrategy[tuple[int, int, int]]:
    """First address, number of bytes and number of bits of any network."""
    width = 8 * size
    return st.tuples(st.integers(0, 2**width - 1), st.integers(0, width)).map(
        lambda one: ((one[0] >> (width - one[1])) << (width - one[1]), size, one[1])
    )


@given(st.lists(of_size(4) | of_size(16), max_size=20), st.randoms(use_true_random=False))
def test_table_finds_what_a_search_through_all_networks_finds(
    found: list[tuple[int, int, int]], chance: random.Random
) -> None:
    bans = BanTable()
    networks = [ip_network((first.to_bytes(size), bits)) for first, size, bits in found]
    for network in networks:
        bans.put(ban(str(network)))
    gone = set(chance.sample(networks, len(networks) // 2))
    for network in gone:
        bans.remove(key_of(network))
    kept = [network for network in networks if network not in gone]
    for network in networks:
        address = network[chance.randrange(network.num_addresses)]
        if getattr(address, "ipv4_mapped", None) is None:
            assert (bans.find(address.packed, 0.0) is None) == (not any(address in one for one in kept))
