"""The address of a client, as gates ask about it."""

from socket import inet_aton

import pytest

from mailproxy.session.addresses import packed_source


@pytest.mark.parametrize("host", ["::ffff:192.0.2.9", "192.0.2.9"])
def test_ipv4_has_one_form(host: str) -> None:
    assert packed_source(host) == inet_aton("192.0.2.9")


def test_scope_of_an_address_does_not_matter() -> None:
    assert packed_source("fe80::1%eth0") == packed_source("fe80::1")
