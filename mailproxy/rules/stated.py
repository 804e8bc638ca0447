"""A client whose facts an admin states, in place of one that connects. What is not stated is not known."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from mailproxy.config.measure import Measure
from mailproxy.networks.network_list import NetworkList, NetworkLists
from mailproxy.proxyprotocol import Tlv
from mailproxy.rules.surroundings import Count, Number
from mailproxy.rules.unknown import UNKNOWN, Unknown


@frozen(kw_only=True)
class StatedClient:
    """The client."""

    source: bytes | Unknown | None = UNKNOWN
    destination: bytes | Unknown | None = UNKNOWN
    port: int | Unknown | None = UNKNOWN
    tlvs: tuple[Tlv, ...] | Unknown = UNKNOWN
    sni: str | Unknown | None = UNKNOWN
    alpn: str | Unknown | None = UNKNOWN
    tls_version: str | Unknown | None = UNKNOWN
    cipher: str | Unknown | None = UNKNOWN
    group: str | Unknown | None = UNKNOWN
    resumed: bool | Unknown | None = UNKNOWN
    client_cn: tuple[str, ...] | Unknown = UNKNOWN
    client_san: tuple[str, ...] | Unknown = UNKNOWN
    client_issuer: str | Unknown | None = UNKNOWN
    client_fingerprint: str | Unknown | None = UNKNOWN
    client_verified: bool | Unknown | None = UNKNOWN


@frozen(kw_only=True, eq=False)
class StatedSurroundings:
    """What surrounds the client."""

    lists: NetworkLists | None = None
    """None: what is in them is not known."""
    numbers: Mapping[str, int] = field(factory=dict)
    """Servers up and sessions."""
    counts: Mapping[str, float] = field(factory=dict)
    now: int | Unknown = UNKNOWN
    is_banned: bool | Unknown = UNKNOWN

    def network_list(self, path: str) -> NetworkList | Unknown:
        """Return the list of a file."""
        return UNKNOWN if self.lists is None else self.lists.at(path)

    def servers_up(self, backend: str) -> Number:
        """Return what returns the stated number of servers."""
        return self._number(f"servers-up.{backend}")

    def frontend_sessions(self, frontend: str) -> Number:
        """Return what returns the stated number of sessions."""
        return self._number(f"sessions.{frontend}")

    def backend_sessions(self, backend: str) -> Number:
        """Return what returns the stated number of sessions."""
        return self._number(f"sessions.{backend}")

    def _number(self, name: str) -> Number:
        return lambda: self.numbers.get(name, UNKNOWN)

    def minute(self) -> int | Unknown:
        """Return the stated time."""
        return self.now

    def count(self, measure: Measure) -> Count:
        """Return what returns the stated count."""
        return lambda address: self.counts.get(measure.counted, UNKNOWN)

    def banned(self, address: bytes) -> bool | Unknown:
        """Return what was stated."""
        return self.is_banned


NOTHING_STATED = StatedSurroundings()
"""Surroundings of which nothing is known."""
