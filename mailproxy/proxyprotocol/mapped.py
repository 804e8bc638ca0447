"""
IPv4 addresses in IPv6 form: ``::ffff:192.0.2.9`` (RFC 4291 section 2.5.5.2).

A dual-stack socket reports its IPv4 clients so. Addresses are bytes here: the 4 or 16 of ``inet_pton``. Look-ups that
run for each connection compare the prefix themselves, which saves a call.
"""

MAPPED = bytes(10) + b"\xff\xff"
"""The prefix of an IPv4-mapped address, before the 4 bytes of the IPv4 one."""

MAPPED_SIZE = len(MAPPED)

MAPPED_BITS = 8 * MAPPED_SIZE


def unmapped(packed: bytes) -> bytes:
    """Return an IPv4-mapped address as IPv4, any other as it is: both are the same client."""
    return packed[MAPPED_SIZE:] if len(packed) == 16 and packed.startswith(MAPPED) else packed
