"""The keys of sources."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.sources.key import EVERYWHERE, KEY_BYTES, key_maker, network_of, scope_of

ADDRESSES = st.ip_addresses()


@given(ADDRESSES, st.integers(0, 32), st.integers(0, 128))
def test_key_is_the_network_of_the_address(address: object, bits4: int, bits6: int) -> None:
    packed = ip_address(str(address))
    bits = bits4 if packed.version == 4 else bits6
    key = key_maker(EVERYWHERE, bits4, bits6)(packed.packed)
    assert len(key) == KEY_BYTES
    if packed.version == 4 or packed.ipv4_mapped is None:  # gates never ask about a mapped address
        assert network_of(key) == ip_network((packed, bits), strict=False)


@given(ADDRESSES, ADDRESSES)
def test_two_addresses_share_a_key_if_they_share_the_network(one: object, other: object) -> None:
    first, second = ip_address(str(one)), ip_address(str(other))
    make = key_maker(EVERYWHERE, 24, 64)
    networks = [ip_network((host, 24 if host.version == 4 else 64), strict=False) for host in (first, second)]
    if all(host.version == 4 or host.ipv4_mapped is None for host in (first, second)):
        assert (make(first.packed) == make(second.packed)) == (networks[0] == networks[1])


def test_scopes_and_prefixes_are_apart() -> None:
    source = ip_address("192.0.2.0").packed
    keys = {
        key_maker(scope, bits, 64)(source)
        for scope in (EVERYWHERE, scope_of("imaps"), scope_of("pop3s"))
        for bits in (24, 32)
    }
    assert len(keys) == 6


@pytest.mark.parametrize("name", ["imaps", "", "ä"])
def test_scope_of_a_frontend_is_never_that_of_all(name: str) -> None:
    assert scope_of(name) != EVERYWHERE
