"""CRC-32C (Castagnoli), the checksum of RFC 4960 appendix B that the CRC32C TLV carries."""

_REFLECTED_POLYNOMIAL = 0x82F63B78

# Bytes at a time. The masks are made when this is imported: 32 of this size, in about 3 ms.
_BLOCK_SIZE = 512

# Each bit of a checksum is the parity of some bits of the data. Counting these in a long integer costs half of a table
# look-up for each byte with 150 bytes, and a third with 4096, the longest header by default.


def _masks() -> tuple[int, ...]:
    """Return which bits of a block, and of the remainder after it, decide each bit of the next remainder."""
    rows = []
    remainder = 1 << 31
    for _ in range(8 * _BLOCK_SIZE + 32):
        rows.append(f"{remainder:032b}")
        remainder = (remainder >> 1) ^ (_REFLECTED_POLYNOMIAL if remainder & 1 else 0)
    # The first row is of the last bit, which is the lowest one of the integer.
    bits = "".join(reversed(rows))
    return tuple(int(bits[column::32], 2) for column in range(32))


_MASKS = _masks()

# A checksum takes the lowest bit of a byte first.
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc32c(data: bytes | bytearray) -> int:
    """Return the CRC-32C of `data`; ``crc32c(b"123456789")`` is 0xE3069283."""
    remainder = 0xFFFFFFFF
    for at in range(0, len(data), _BLOCK_SIZE):
        block = data[at : at + _BLOCK_SIZE]
        before = int.from_bytes(remainder.to_bytes(4, "little").translate(_MIRRORED))
        bits = int.from_bytes(block.translate(_MIRRORED)) << 32 ^ before << 8 * len(block)
        remainder = 0
        for mask in _MASKS:
            remainder = remainder << 1 | (bits & mask).bit_count() & 1
    return remainder ^ 0xFFFFFFFF
