"""Whom a machine asks, resolv.conf(5)."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from mailproxy.names.exchange import Nameserver

RESOLV_CONF = "/etc/resolv.conf"

# The C library's MAXNS: what stands beyond has never been asked, and may be old.
MAX_NAMESERVERS = 3


def parse_resolv_conf(text: str) -> tuple[Nameserver, ...]:
    """Return the nameservers of a resolv.conf, or without any the local one, as the C library does."""
    nameservers = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", host, *_]:
                try:
                    nameservers.append(Nameserver(ip_address(host)))
                except ValueError:
                    continue
    return tuple(nameservers[:MAX_NAMESERVERS]) or (Nameserver(IPv4Address("127.0.0.1")),)
