"""Sets of networks, compared with `ipaddress`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.config.place import Network
from mailproxy.networks.network_set import EMPTY, NetworkSet

# Few distinct addresses, so that networks overlap, touch and contain the addresses that are looked up.
NEAR4 = st.builds(lambda high, low: high << 24 | low, st.sampled_from([0, 10, 255]), st.integers(0, 2**24 - 1))
NEAR6 = st.builds(lambda high, low: high << 112 | low, st.sampled_from([0, 0x2001, 0xFFFF]), st.integers(0, 2**112 - 1))
NETWORKS4 = st.builds(
    lambda host, bits: ip_network((host, bits), strict=False), NEAR4.map(IPv4Address), st.integers(0, 32)
)
NETWORKS6 = st.builds(
    lambda host, bits: ip_network((host, bits), strict=False), NEAR6.map(IPv6Address), st.integers(0, 128)
)


def edges(networks: list[Network]) -> list[int]:
    """The addresses on both sides of each end of each network."""
    return [
        edge + step
        for network in networks
        for edge in (int(network.network_address), int(network.broadcast_address))
        for step in (-1, 0, 1)
    ]


@given(st.lists(NETWORKS4, max_size=12), st.lists(NEAR4, max_size=12))
def test_ipv4_addresses_are_found_as_ipaddress_finds_them(networks: list[IPv4Network], further: list[int]) -> None:
    found = NetworkSet.of(networks)
    for number in [*edges([*networks]), *further]:
        if 0 <= number < 2**32:
            address = IPv4Address(number)
            assert (address.packed in found) == any(address in network for network in networks)


@given(st.lists(NETWORKS6, max_size=12), st.lists(NEAR6, max_size=12))
def test_ipv6_addresses_are_found_as_ipaddress_finds_them(networks: list[IPv6Network], further: list[int]) -> None:
    found = NetworkSet.of(networks)
    for number in [*edges([*networks]), *further]:
        if 0 <= number < 2**128 and IPv6Address(number).ipv4_mapped is None:
            address = IPv6Address(number)
            assert (address.packed in found) == any(address in network for network in networks)


@given(st.lists(st.one_of(NETWORKS4, NETWORKS6), max_size=12), st.randoms())
def test_order_does_not_matter(networks: list[Network], random: object) -> None:
    assert NetworkSet.of(networks) == NetworkSet.of(networks[::-1])


@given(NETWORKS4, NEAR4)
def test_mapped_address_is_an_ipv4_address(network: IPv4Network, number: int) -> None:
    address = IPv4Address(number)
    mapped = IPv6Address(f"::ffff:{address}")
    assert (mapped.packed in NetworkSet.of([network])) == (address in network)


def test_mapped_address_is_in_no_ipv6_network() -> None:
    assert ip_address("::ffff:192.0.2.1").packed not in NetworkSet.of([IPv6Network("::/0")])


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"])
def test_set_may_have_all_addresses(address: str) -> None:
    everything = NetworkSet.of([IPv4Network("0.0.0.0/0"), IPv6Network("::/0")])
    assert ip_address(address).packed in everything


def test_networks_that_touch_are_one() -> None:
    halves = NetworkSet.of([IPv4Network("10.0.0.0/9"), IPv4Network("10.128.0.0/9")])
    assert halves == NetworkSet.of([IPv4Network("10.0.0.0/8")])


def test_empty_set_has_no_address() -> None:
    assert not EMPTY
    assert ip_address("192.0.2.1").packed not in EMPTY
    assert ip_address("2001:db8::1").packed not in EMPTY


def test_set_is_not_equal_to_its_networks() -> None:
    networks = [IPv4Network("10.0.0.0/8")]
    assert NetworkSet.of(networks) != networks


def test_equal_sets_have_equal_hashes() -> None:
    network = IPv4Network("10.0.0.0/8")
    assert hash(NetworkSet.of([network])) == hash(NetworkSet.of([network, network]))


def test_repr_has_the_number_of_networks() -> None:
    assert repr(NetworkSet.of([IPv4Network("10.0.0.0/8"), IPv6Network("::/0")])) == "<NetworkSet of 2>"
