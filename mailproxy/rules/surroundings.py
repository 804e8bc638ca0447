"""
What rules ask about besides the client itself: servers, sessions, the time, and what is known of the client's address.

Other packages answer; rules only ask. An address is the 4 or 16 bytes of ``inet_pton``. IPv4 in IPv6 form
(``::ffff:192.0.2.9``) counts as IPv4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mailproxy.config.measure import Measure
from mailproxy.networks.network_list import NetworkList
from mailproxy.rules.unknown import Unknown

Count = Callable[[bytes], float | Unknown]
"""Returns the number for an address."""

Number = Callable[[], int | Unknown]
"""Returns a number that changes."""


class Bans(Protocol):
    """What carries out the bans that rules decide."""

    def ban(self, address: bytes, seconds: float, reason: str, bits: int | None) -> None:
        """
        Ban an address for a time, in all processes; `reason` is for the log and for administrators.

        With `bits`, the network with a prefix of this length is banned.
        """


class Surroundings(Protocol):
    """Everything besides the client; functions are asked for once, and then called for each client."""

    def network_list(self, path: str) -> NetworkList | Unknown:
        """Return the list of a file, which changes when the file does."""

    def servers_up(self, backend: str) -> Number:
        """Return what counts the servers of a backend that may take clients."""

    def frontend_sessions(self, frontend: str) -> Number:
        """Return what counts the sessions of a frontend."""

    def backend_sessions(self, backend: str) -> Number:
        """Return what counts the sessions of a backend, with the clients that wait for a server."""

    def minute(self) -> int | Unknown:
        """Return the minute of the week in local time, from Monday's first on."""

    def count(self, measure: Measure) -> Count:
        """
        Return the function that returns the number of `measure` for an address.

        It is asked for once for each reading of the configuration, and the function is called for each client. The
        connection that is being judged is counted already.
        """

    def banned(self, address: bytes) -> bool | Unknown:
        """Return whether an address is banned."""
