from ipaddress import IPv4Network, IPv6Network, ip_address

import pytest

from mailproxy.proxyprotocol import AcceptPolicy, Expectation

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
