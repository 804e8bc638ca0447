"""Clients and surroundings for rules, with valid defaults."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from attrs import define, field, frozen

from mailproxy.config.measure import Measure
from mailproxy.networks.network_list import NetworkList, NetworkLists
from mailproxy.proxyprotocol import Tlv
from mailproxy.rules.rules import Rules
from mailproxy.rules.surroundings import Count, Number
from mailproxy.rules.unknown import UNKNOWN, Unknown
from tests.config.builders import read

TLS_FIELDS = (
    "sni",
    "alpn",
    "tls_version",
    "cipher",
    "group",
    "resumed",
    "client_cn",
    "client_san",
    "client_issuer",
    "client_fingerprint",
    "client_verified",
)


@frozen(kw_only=True)
class Client:
    """A client of 10.1.2.3 on port 993, on TLS without a certificate."""

    source: bytes | Unknown | None = ip_address("10.1.2.3").packed
    destination: bytes | Unknown | None = ip_address("192.0.2.1").packed
    port: int | Unknown | None = 993
    tlvs: tuple[Tlv, ...] | Unknown = ()
    sni: str | Unknown | None = "mail.example.org"
    alpn: str | Unknown | None = None
    tls_version: str | Unknown | None = "1.3"
    cipher: str | Unknown | None = "TLS_AES_256_GCM_SHA384"
    group: str | Unknown | None = "x25519"
    resumed: bool | Unknown | None = False
    client_cn: tuple[str, ...] | Unknown = ()
    client_san: tuple[str, ...] | Unknown = ()
    client_issuer: str | Unknown | None = None
    client_fingerprint: str | Unknown | None = None
    client_verified: bool | Unknown | None = False


def arriving(**facts: Any) -> Client:
    """A client before its TLS."""
    return Client(**(dict.fromkeys(TLS_FIELDS, UNKNOWN) | facts))


def without_tls(**facts: Any) -> Client:
    """A client that stays without TLS."""
    nothing: dict[str, Any] = dict.fromkeys(TLS_FIELDS) | {"client_cn": (), "client_san": ()}
    return Client(**(nothing | facts))


@define(kw_only=True, eq=False)
class Around:
    """Surroundings whose numbers are given (mutable)."""

    lists: NetworkLists = field(factory=NetworkLists)
    numbers: Mapping[str, int | Unknown] = field(factory=dict)
    """Servers up and sessions, by what and name."""
    counts: Mapping[str, float | Unknown] = field(factory=dict)
    asked: list[Measure] = field(factory=list)
    now: int | Unknown = 0
    bans: frozenset[bytes] = frozenset()

    def network_list(self, path: str) -> NetworkList:
        return self.lists.at(path)

    def servers_up(self, backend: str) -> Number:
        return lambda: self.numbers[f"servers {backend}"]

    def frontend_sessions(self, frontend: str) -> Number:
        return lambda: self.numbers[f"frontend {frontend}"]

    def backend_sessions(self, backend: str) -> Number:
        return lambda: self.numbers[f"backend {backend}"]

    def minute(self) -> int | Unknown:
        return self.now

    def count(self, measure: Measure) -> Count:
        self.asked.append(measure)
        return lambda address: self.counts[measure.counted]

    def banned(self, address: bytes) -> bool | Unknown:
        return address in self.bans


def rules(*tables: dict[str, Any], around: Around | None = None, prefix: tuple[int, int] = (32, 128)) -> Rules:
    """Rules as the configuration has them, with keys of attributes for those of TOML."""
    other = {"server": {"d1": {"address": "10.41.1.132:143"}}}
    config = read(backend__other=other, frontend__imaps__rule=list(tables))
    return Rules(config.frontends[0].rules, around or Around(), prefix=prefix)
