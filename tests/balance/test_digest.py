"""The hash is the same for ever: a proxy that is replaced sends clients where they were."""

from mailproxy.balance.digest import digest


def test_hash_is_blake2b_of_64_bits_in_network_order() -> None:
    assert digest(b"d1") == 0xFCD38EB77616F227


def test_different_data_has_different_hashes() -> None:
    assert len({digest(number.to_bytes(4, "big")) for number in range(1000)}) == 1000
