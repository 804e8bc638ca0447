from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from math import inf, nan
from typing import Any

import pytest

from mailproxy.proxyprotocol import AcceptPolicy, Expectation, Strictness

POLICY = AcceptPolicy(
    trusted=(IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8")), optional=(IPv4Network("192.168.0.0/16"),)
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.1.2.3", Expectation.HEADER),
        ("fd00::1", Expectation.HEADER),
        ("::ffff:10.1.2.3", Expectation.HEADER),  # IPv4 on a dual-stack socket
        ("192.168.1.1", Expectation.MAYBE),
        ("192.0.2.1", Expectation.DIRECT),
        ("2001:db8::1", Expectation.DIRECT),
    ],
)
def test_the_peers_network_decides(host: str, expected: Expectation) -> None:
    assert POLICY.expectation(ip_address(host)) is expected


def test_trust_wins_over_optional() -> None:
    everyone = (IPv4Network("0.0.0.0/0"),)
    assert AcceptPolicy(everyone, everyone).expectation(ip_address("192.0.2.1")) is Expectation.HEADER


def test_others_can_be_refused() -> None:
    assert AcceptPolicy(refuse_others=True).expectation(ip_address("192.0.2.1")) is Expectation.REFUSED


def test_unix_peers_are_direct_unless_trusted() -> None:
    assert AcceptPolicy().expectation(None) is Expectation.DIRECT
    assert AcceptPolicy(unix=True).expectation(None) is Expectation.HEADER
    assert AcceptPolicy(optional_unix=True).expectation(None) is Expectation.MAYBE


@pytest.mark.parametrize("host", [ip_address("192.0.2.1"), ip_address("2001:db8::1"), None])
def test_everybody_must_send_a_header(host: IPv4Address | IPv6Address | None) -> None:
    assert AcceptPolicy.everybody().expectation(host) is Expectation.HEADER


def test_everybody_has_any_kind_of_address() -> None:
    assert AcceptPolicy.everybody().others is Expectation.HEADER


def test_everybody_takes_a_timeout_and_a_strictness() -> None:
    policy = AcceptPolicy.everybody(2, Strictness(versions=(2,)))
    assert (policy.timeout, policy.strictness.versions) == (2, (2,))


def test_nobody_sends_a_header_by_default() -> None:
    assert not AcceptPolicy().expects_headers
    assert AcceptPolicy().others is Expectation.DIRECT


@pytest.mark.parametrize(
    "policy",
    [
        AcceptPolicy(("10.0.0.7",)),
        AcceptPolicy(optional=["fd00::/8"]),
        AcceptPolicy(unix=True),
        AcceptPolicy(optional_unix=True),
        AcceptPolicy.everybody(),
    ],
)
def test_named_peers_may_send_one(policy: AcceptPolicy) -> None:
    assert policy.expects_headers


def test_single_addresses_are_networks_of_one() -> None:
    assert AcceptPolicy([ip_address("10.0.0.1"), "10.0.0.2"]).trusted == tuple(
        map(IPv4Network, ("10.0.0.1", "10.0.0.2"))
    )


def test_networks_are_text_too() -> None:
    assert AcceptPolicy(["10.0.0.0/8", "fd00::1"]).trusted == (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::1/128"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"trusted": "10.0.0.0/8"}, r"'10.0.0.0/8' is not a list of networks; write \['10.0.0.0/8'\]"),
        ({"trusted": 10}, "10 is not a list of networks"),
        ({"trusted": None}, r"None is not a list of networks; write \[\], or leave it out, for none"),
        ({"trusted": IPv4Network("10.0.0.0/8")}, r"is not a list of networks; write \['10.0.0.0/8'\]"),
        ({"trusted": ["unix"]}, "'unix' is not a network; write unix=True"),
        ({"trusted": "unix"}, "'unix' is not a list of networks; write unix=True"),
        ({"optional": ["unix"]}, "'unix' is not a network; write optional_unix=True"),
        ({"refuse_others": "no"}, "refuse_others 'no' is neither True nor False"),
        ({"unix": 1}, "unix 1 is neither"),
        ({"optional": ["10.0.0.1/8"]}, "'10.0.0.1/8' is neither a network .* has host bits set"),
        ({"trusted": [10]}, "10 is not a network; write one as text"),
        ({"trusted": ["::ffff:10.0.0.0/104"]}, "IPv4 addresses in IPv6 form"),
        ({"timeout": 0}, "timeout 0 is not a number of seconds above 0"),
        ({"timeout": -1}, "timeout -1 is no"),
        ({"timeout": nan}, "timeout nan is no"),
        ({"timeout": inf}, "timeout inf is no"),
        ({"timeout": "5"}, "timeout '5' is not a number"),
        ({"timeout": True}, "timeout True is not a number"),
        ({"strictness": 2}, "strictness 2 is not a Strictness"),
        ({"trust_others": True, "refuse_others": True}, "trust_others and refuse_others cannot both be true"),
    ],
)
def test_policy_that_cannot_work_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AcceptPolicy(**wrong)
