"""Reads ``[resolvers]``: how host names are looked up."""

from ipaddress import IPv4Address, IPv6Address

from attrs import field, frozen

from mailproxy.config.address import NAMESERVER
from mailproxy.config.duration import WAIT, duration
from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import integer
from mailproxy.config.table import Table

_DAY = duration(at_most="1d")


@frozen(kw_only=True)
class Resolvers:
    """How host names are looked up, ``[resolvers]``."""

    nameservers: tuple[tuple[IPv4Address | IPv6Address, int], ...] = field(
        default=(),
        metadata=about(
            NAMESERVER,
            'Nameservers, `"10.0.0.2"` or `"10.0.0.2:5353"`. Empty: those of `/etc/resolv.conf`.',
            haproxy="nameserver",
            values="list",
            is_list=True,
        ),
    )
    timeout: float = field(
        default=1.0,
        metadata=about(
            WAIT,
            "For one answer.",
            haproxy="timeout retry",
        ),
    )
    retries: int = field(
        default=3,
        metadata=about(
            integer(0, 10),
            "How often a question is asked again.",
            haproxy="resolve_retries",
        ),
    )
    hold_valid: float = field(
        default=1.0,
        metadata=about(
            _DAY,
            "The shortest time that an answer is kept, if its TTL is shorter. A TTL of 0 would mean endless questions.",
            haproxy="hold valid",
        ),
    )
    hold_nx: float = field(
        default=30.0,
        metadata=about(
            _DAY,
            "How long addresses are kept after DNS begins to deny the name: a denial may be a short error. The "
            "default is HAProxy's.",
            haproxy="hold nx",
        ),
    )
    max_ttl: float = field(
        default=3600.0,
        metadata=about(
            _DAY,
            "The longest time that an answer is kept: a TTL of weeks is probably a mistake.",
        ),
    )


def read_resolvers(table: Table) -> Resolvers:
    """Read the table."""
    resolvers = read_keys(table, Resolvers())
    if resolvers.hold_valid > resolvers.max_ttl and table.is_sound("hold-valid", "max-ttl"):
        table.report(
            "hold-valid",
            f"is {resolvers.hold_valid:g} s, above max-ttl, {resolvers.max_ttl:g} s: answers cannot be kept for both",
        )
    return resolvers
