"""CRC-32C (Castagnoli), the checksum of RFC 4960 appendix B that the CRC32C TLV carries."""

_REFLECTED_POLYNOMIAL = 0x82F63B78


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_REFLECTED_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_remainder(byte) for byte in range(256))


def crc32c(data: bytes | bytearray) -> int:
    """Return the CRC-32C of `data`; ``crc32c(b"123456789")`` is 0xE3069283."""
    table = _TABLE
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF
