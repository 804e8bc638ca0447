"""
The widest networks that can be banned.

One wrong line in a list that others write, or one mistyped prefix, must not refuse all clients.
"""

from __future__ import annotations

from collections.abc import Mapping

WIDEST_BAN: Mapping[int, int] = {4: 8, 16: 16}
"""The fewest bits of a network to ban, by the bytes of its addresses."""


def is_too_wide(first: bytes, bits: int) -> bool:
    """Return whether a network is too wide to ban: its first address in 4 or 16 bytes, and its bits."""
    return bits < WIDEST_BAN[len(first)]


def width_problem(size: int) -> str:
    """Say what is wrong with a network that is too wide, whose addresses have this number of bytes."""
    widest = WIDEST_BAN[size]
    return f"which holds more than a /{widest}, the widest network that can be banned"
