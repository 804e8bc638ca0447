"""The machine's own files for names, hosts(5) and resolv.conf(5), which may change."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Generic, TypeVar

from mailproxy.names.exchange import Nameserver

HOSTS_FILE = "/etc/hosts"

Hosts = Mapping[str, tuple[IPv4Address | IPv6Address, ...]]

RESOLV_CONF = "/etc/resolv.conf"

# The C library's MAXNS: it never asks further nameservers, which may be outdated.
MAX_NAMESERVERS = 3

T = TypeVar("T")


def parse_hosts(text: str) -> Hosts:
    """Return the addresses of each name, in the file's order; names in lower case, without malformed lines."""
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


def parse_resolv_conf(text: str) -> tuple[Nameserver, ...]:
    """Return the nameservers of a resolv.conf, or the local one if there are none, as the C library does."""
    nameservers = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", host, *_]:
                try:
                    nameservers.append(Nameserver(ip_address(host)))
                except ValueError:
                    continue
    return tuple(nameservers[:MAX_NAMESERVERS]) or (Nameserver(IPv4Address("127.0.0.1")),)


class Reread(Generic[T]):
    """
    A text file's contents, read again after changes (mutable): empty if it is missing, the last ones if it cannot be
    read.
    """

    def __init__(self, path: str, parse: Callable[[str], T]) -> None:
        self._path = Path(path)
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value = parse("")

    def __call__(self) -> T:
        """Return the file's current contents, parsed."""
        try:
            seen = self._state()
            if seen != self._seen:
                self._value = self._parse(self._path.read_text("ascii", "replace"))
                self._seen = seen
        except FileNotFoundError:
            self._value, self._seen = self._parse(""), None
        except OSError:
            pass
        return self._value

    def _state(self) -> tuple[int, int, int]:
        stat = os.stat(self._path)
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
