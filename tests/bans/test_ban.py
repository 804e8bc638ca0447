"""A ban's network as a key and as text."""

from ipaddress import ip_network

import pytest

from mailproxy.bans.ban import key_of, place_of


@pytest.mark.parametrize(
    ("network", "place"),
    [
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::7/128", "2001:db8::7"),
        ("::ffff:192.0.2.7/128", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_network_has_one_form(network: str, place: str) -> None:
    assert place_of(key_of(ip_network(network))) == place
