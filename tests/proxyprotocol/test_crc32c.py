import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.proxyprotocol.crc32c import crc32c
from tests.examples import examples


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),  # the check value of CRC catalogues
        (bytes(32), 0x8A9136AA),  # RFC 3720, B.4: 32 bytes of zeroes,
        (b"\xff" * 32, 0x62A8AB43),  # of ones,
        (bytes(range(32)), 0x46DD794E),  # and counted up
    ],
)
def test_published_checksums_are_right(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


def bit_by_bit(data: bytes) -> int:
    """RFC 4960, appendix B, without any table."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF


@given(st.binary(max_size=40), st.sampled_from((0, 1, 511, 512, 513, 1024, 4096)))
@examples(50)
def test_every_length_is_right(data: bytes, size: int) -> None:
    data = (data + bytes(range(256)) * 16)[: len(data) + size]
    assert crc32c(data) == crc32c(bytearray(data)) == bit_by_bit(data)
