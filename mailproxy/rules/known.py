"""
What else is known of a client's address when rules are tried: its counts, its rates and its bans.

Other packages implement these protocols; rules only ask. An address is the 4 or 16 bytes of ``inet_pton``. IPv4 in IPv6
form (``::ffff:192.0.2.9``) counts as IPv4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mailproxy.config.measure import Measure

Count = Callable[[bytes], float]
"""Returns the number for an address."""


class Sources(Protocol):
    """The clients that have come, counted by network."""

    def count(self, measure: Measure) -> Count:
        """
        Return the function that returns the number of `measure` for an address.

        It is asked for once for each reading of the configuration, and the function is called for each client. The
        connection that is being judged is counted already.
        """


class Bans(Protocol):
    """The banned addresses and networks."""

    def banned(self, address: bytes) -> bool:
        """Tell whether an address is banned now."""

    def ban(self, address: bytes, seconds: float, reason: str) -> None:
        """Ban an address for a time, in all processes; `reason` is for the log and for administrators."""
