"""IPv4 addresses in IPv6 form."""

from ipaddress import ip_address

import pytest

from mailproxy.proxyprotocol.mapped import MAPPED, MAPPED_BITS, unmapped


def test_prefix_is_the_one_of_the_rfc() -> None:
    assert ip_address(MAPPED + b"\xc0\x00\x02\x09") == ip_address("::ffff:192.0.2.9")
    assert MAPPED_BITS == 96


@pytest.mark.parametrize(
    ("text", "expected"),
    [("::ffff:192.0.2.9", "192.0.2.9"), ("192.0.2.9", "192.0.2.9"), ("::192.0.2.9", "::192.0.2.9"), ("::1", "::1")],
)
def test_ipv4_has_one_form(text: str, expected: str) -> None:
    assert unmapped(ip_address(text).packed) == ip_address(expected).packed
