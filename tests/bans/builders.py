"""Bans with valid defaults."""

from ipaddress import ip_network
from math import inf

from mailproxy.bans.ban import Ban, Key, Origin, key_of


def key(network: str) -> Key:
    return key_of(ip_network(network))


def ban(network: str, *, origin: Origin = "ctl", end: float = inf, reason: str = "spam", made: float = 0.0) -> Ban:
    return Ban(key(network), origin, reason, made, end)
