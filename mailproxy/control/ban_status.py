"""Reads bans into plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from mailproxy.bans.ban import Ban, Key, key_of, place_of
from mailproxy.bans.bans import left
from mailproxy.control.format import duration
from mailproxy.control.running import Running
from mailproxy.control.status import BanStatus


def ban_statuses(running: Running, wanted: Mapping[str, Any]) -> Iterator[BanStatus | None]:
    """
    Yield the bans that match all filters (values by name), and None for each other one.

    With `client` but without `origin`, the lists with such clients follow.
    """
    keeper = running.bans
    client = wanted.get("client")
    for ban in keeper.bans:
        now = keeper.now
        has_ended = ban.end <= now
        if has_ended or ban.origin != wanted.get("origin", ban.origin) or not (client is None or _meets(ban, client)):
            yield None
            continue
        seconds = left(ban, now)
        yield BanStatus(
            network=ban.place,
            origin=ban.origin,
            since_s=round(max(now - ban.made, 0.0), 3),
            left_s=None if seconds is None else round(seconds, 3),
            reason=ban.reason,
        )
    if client not in (None, "unix") and "origin" not in wanted:
        yield from _listed(running, key_of(client))


def _listed(running: Running, key: Key) -> Iterator[BanStatus]:
    """Yield the lists that have clients of a network; what else is in them is not shown: they may be long."""
    first, bits = key
    words = "in the list" if bits == 8 * len(first) else "has addresses of the list"
    for path in running.process_state.bans.lists_with(key):
        yield BanStatus(network=place_of(key), origin="list", since_s=None, left_s=None, reason=f"{words} {path}")


def _meets(ban: Ban, client: Any) -> bool:
    """Return whether a ban concerns clients of a network."""
    network = ip_network(ban.key)
    return client != "unix" and client.version == network.version and bool(client.overlaps(network))


def ban_of(running: Running, text: str) -> str:
    """Return what bans an address, in a sentence; empty if nothing does, or if the text is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    found = []
    now = running.bans.now
    ban = running.bans.bans.table.find(address.packed, now)
    if ban is not None:
        seconds = left(ban, now)
        until = "until it is unbanned" if seconds is None else f"for another {duration(seconds)}"
        found.append(f"{ban.place} is banned by {ban.origin} {until}{ban.reason and f': {ban.reason}'}")
    gate = running.process_state.bans
    found += (f"{address} is in the list {path}" for path in gate.lists_with((address.packed, address.max_prefixlen)))
    if found and gate.exempt.meets(address.packed, address.max_prefixlen):
        found.append("it is in [limits] exempt, so it gets in nevertheless")
    return "; ".join(found)
