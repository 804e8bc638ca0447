"""How much of the Internet a list bans, in words."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

import pytest

from mailproxy.networks.breadth import breadth, list_breadth
from mailproxy.networks.network_set import EMPTY, NetworkSet


def networks(texts: Iterable[str]) -> NetworkSet:
    return NetworkSet.of(map(ip_network, texts))


def eighths(count: int, first: int = 0) -> list[str]:
    """So many /8 networks of IPv4."""
    return [f"{first + number}.0.0.0/8" for number in range(count)]


@pytest.mark.parametrize("found", [[], ["192.0.2.7"], eighths(64), ["2001:db8::/32", "2a00::/16"]])
def test_quarter_is_not_too_much(found: list[str]) -> None:
    assert breadth(networks(found), EMPTY) == ""


def test_more_than_a_quarter_of_ipv4_is_too_much() -> None:
    assert breadth(networks([*eighths(64), "192.0.2.7"]), EMPTY) == "25 % of all IPv4 addresses (1073741825)"
    assert breadth(networks(eighths(256)), EMPTY) == "100 % of all IPv4 addresses (4294967296)"


def test_networks_that_overlap_count_once() -> None:
    assert breadth(networks([*eighths(64), "1.0.0.0/9", "2.2.0.0/16"]), EMPTY) == ""


def test_exempt_networks_do_not_count() -> None:
    found = networks([*eighths(64), "192.0.2.7"])
    assert breadth(found, networks(["10.1.2.3"])) == ""
    assert breadth(found, networks(["203.0.113.0/24"])) == "25 % of all IPv4 addresses (1073741825)"
    assert breadth(networks(eighths(128)), networks(["0.0.0.0/2", "192.0.2.7"])) == ""
    assert breadth(networks(eighths(128)), networks(["0.0.0.0/3"])) == "38 % of all IPv4 addresses (1610612736)"


def test_ipv6_counts_as_far_as_registries_have_it() -> None:
    europe = [f"2a0{digit}::/16" for digit in "0123456789abcdef"]
    america = [f"260{digit}::/16" for digit in "0123456789abcdef"]
    nobody = [f"3{number:03x}::/16" for number in range(0x1000)]
    assert breadth(networks([*europe, *america, *nobody]), EMPTY) == ""
    words = "26 % of the IPv6 addresses of the regional registries"
    assert breadth(networks([*europe, *america, "2c00::/16"]), EMPTY) == words
    assert breadth(networks([*europe, *america, "2c00::/16"]), networks(["2c00::/12"])) == ""


def test_both_families_are_named() -> None:
    found = networks([*eighths(256), "2a00::/12", "2600::/12", "2400::/12"])
    assert breadth(found, EMPTY) == (
        "100 % of all IPv4 addresses (4294967296) and 38 % of the IPv6 addresses of the regional registries"
    )


def test_list_has_advice() -> None:
    assert list_breadth(networks(eighths(2)), EMPTY) == ""
    assert list_breadth(networks(eighths(128)), EMPTY) == (
        "bans 50 % of all IPv4 addresses (2147483648); "
        "take networks out of it, or add those of your clients to [limits] exempt"
    )
