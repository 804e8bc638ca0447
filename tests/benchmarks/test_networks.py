"""The cost of looking up an address: what is measured, not how fast it is."""

import pytest

from benchmarks.networks import addresses, list_of, look_up
from mailproxy.networks.list_file import parse_list


@pytest.mark.parametrize("family", [4, 6])
def test_list_can_be_read_and_has_addresses_to_look_up(family: int) -> None:
    networks = parse_list(list_of(1000, family), "list")
    assert networks.size == 1000
    assert look_up(networks, addresses(family)) > 0
