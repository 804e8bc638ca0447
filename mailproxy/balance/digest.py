"""A hash that stays the same across restarts, processes and versions of Python, as ``hash`` does not."""

from hashlib import blake2b

BITS = 64


def digest(data: bytes) -> int:
    """Return a 64-bit number for ``data``; numbers of different data are independent."""
    return int.from_bytes(blake2b(data, digest_size=BITS // 8).digest(), "big")
