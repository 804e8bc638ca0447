"""A hash that stays the same across restarts, processes and versions of Python, as ``hash`` does not."""

from hashlib import blake2b

BITS = 64


def digest(data: bytes) -> int:
    """Return a number of 64 bits for ``data``; who knows it learns nothing about another's."""
    return int.from_bytes(blake2b(data, digest_size=BITS // 8).digest(), "big")
