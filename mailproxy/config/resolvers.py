"""Reads ``[resolvers]``: how host names are looked up."""

from mailproxy.config.address import NAMESERVER
from mailproxy.config.duration import WAIT, duration
from mailproxy.config.kind import integer
from mailproxy.config.model import Resolvers
from mailproxy.config.table import Table

_RETRIES = integer(0, 10)
_DAY = duration(at_most="1d")


def read_resolvers(table: Table) -> Resolvers:
    """Read the table."""
    usual = Resolvers()
    resolvers = Resolvers(
        nameservers=table.each("nameservers", NAMESERVER),
        timeout=table.take("timeout", WAIT, usual.timeout),
        retries=table.take("retries", _RETRIES, usual.retries),
        hold_valid=table.take("hold-valid", _DAY, usual.hold_valid),
        hold_nx=table.take("hold-nx", _DAY, usual.hold_nx),
        max_ttl=table.take("max-ttl", _DAY, usual.max_ttl),
    )
    if resolvers.hold_valid > resolvers.max_ttl and table.sound("hold-valid", "max-ttl"):
        table.wrong(
            "hold-valid",
            f"is {resolvers.hold_valid:g} s, above max-ttl, {resolvers.max_ttl:g} s: answers cannot be kept for both",
        )
    return resolvers
