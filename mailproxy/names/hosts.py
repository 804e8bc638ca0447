"""The names that a machine knows without asking, hosts(5)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

HOSTS_FILE = "/etc/hosts"

Hosts = Mapping[str, tuple[IPv4Address | IPv6Address, ...]]


def parse_hosts(text: str) -> Hosts:
    """Return the addresses of each name, in the file's order; names in lower case, lines without sense left out."""
    hosts: dict[str, tuple[IPv4Address | IPv6Address, ...]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            address = ip_address(words[0])
        except (IndexError, ValueError):
            continue
        for word in words[1:]:
            name = word.removesuffix(".").lower()
            hosts[name] = (*hosts.get(name, ()), address)
    return hosts
