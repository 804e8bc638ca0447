"""A ban's network as a key and as text."""

from ipaddress import ip_network

import pytest

from mailproxy.bans.ban import key_of, place_of, read_key
from mailproxy.process.encoding import decode, encode
from tests.bans.builders import ban


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


@pytest.mark.parametrize("place", ["192.0.2.7", "192.0.2.0/24", "2001:db8::7", "2001:db8::/32"])
def test_place_is_read_as_it_is_written(place: str) -> None:
    assert place_of(read_key(place)) == place


@pytest.mark.parametrize("place", ["", "192.0.2", "192.0.2.7/24", "192.0.2.7\0", "mail.example.org"])
def test_text_that_is_no_place_is_an_error(place: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_key(place)


def test_ban_is_the_same_in_another_process() -> None:
    made = ban("192.0.2.0/24", origin="rule", end=60.0, reason="guessing", made=1.0)
    assert decode(encode(made), is_trusted=True) == made
