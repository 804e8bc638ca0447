import pytest

from mailproxy.proxyprotocol.crc32c import crc32c


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
def test_published_examples(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected
