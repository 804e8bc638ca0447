"""The addresses of a name, with their weights from DNS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

from attrs import frozen

from mailproxy.proxyprotocol.address import host_port

# The most addresses in a log line, before it counts the rest.
SHOWN_RECORDS = 8


@frozen
class Record:
    """One address of a name; without a port, the backend's `ports` has one for each protocol."""

    host: IPv4Address | IPv6Address
    port: int | None = None
    weight: int | None = None
    """1 to 256, from SRV records; None: the server's own."""
    backup: bool = False
    """Whether an SRV record with a lower priority number than this one's exists."""

    @property
    def place(self) -> tuple[IPv4Address | IPv6Address, int | None]:
        """The host and port, by which two records are the same server."""
        return self.host, self.port

    def __str__(self) -> str:
        """Write it as the log shows it."""
        where = str(self.host) if self.port is None else host_port(self.host, self.port)
        notes = [] if self.weight is None else [f"weight {self.weight}"]
        notes += ["backup"] if self.backup else []
        return f"{where} ({', '.join(notes)})" if notes else where


def without_duplicates(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return the records without duplicates: of the same host and port only the first."""
    firsts: dict[object, Record] = {}
    for record in records:
        firsts.setdefault(record.place, record)
    return tuple(firsts.values())


def shown(records: Sequence[Record]) -> str:
    """Return records as a log line shows them."""
    if not records:
        return "none"
    words = [str(record) for record in records[:SHOWN_RECORDS]]
    rest = len(records) - len(words)
    return ", ".join([*words, f"{rest} more"] if rest else words)
