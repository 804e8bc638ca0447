"""Networks and UNIX sockets."""

from ipaddress import ip_network

import pytest

from mailproxy.config.kind import WrongValue
from mailproxy.config.senders import NETWORK


@pytest.mark.parametrize("text", ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "::1", "0.0.0.0/0"])
def test_sender_is_a_network_or_a_single_address(text: str) -> None:
    assert NETWORK.read(text) == ip_network(text)


def refusal(text: str) -> str:
    with pytest.raises(WrongValue) as caught:
        NETWORK.read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant", "other"),
    [
        ("10.1.0.0/8", "10.0.0.0/8", "10.1.0.0/16"),
        ("10.2.3.0/9", "10.0.0.0/9", "10.2.3.0/24"),
        ("10.1.2.3/8", "10.0.0.0/8", "10.1.2.3"),
        ("192.0.2.128/24", "192.0.2.0/24", "192.0.2.128"),
        ("2001:db8:1::/32", "2001:db8::/32", "2001:db8:1::/48"),
        ("::1/0", "::/0", "::1"),
        ("fe80::1%1/64", "fe80::/64", "fe80::1"),
    ],
)
def test_bits_beyond_the_prefix_are_refused_with_what_was_meant(text: str, meant: str, other: str) -> None:
    assert refusal(text) == f'is "{text}", which has bits beyond the prefix; is it "{meant}" or "{other}"?'


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/33", "10.0.0/8", "mail.example.org", "fe80::%eth0/64", "fe80::1%eth0", "10.0.0.0/8/8"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    assert "needs a network such as" in refusal(text)


@pytest.mark.parametrize("text", ["10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.0/"])
def test_masks_are_refused(text: str) -> None:
    assert "is no number of bits" in refusal(text)


def test_ipv4_in_ipv6_form_is_refused() -> None:
    assert "write them as IPv4" in refusal("::ffff:10.0.0.0/104")
