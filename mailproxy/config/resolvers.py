"""Reads ``[resolvers]``: how host names are looked up."""

from mailproxy.config.key import read_keys
from mailproxy.config.model import Resolvers
from mailproxy.config.table import Table


def read_resolvers(table: Table) -> Resolvers:
    """Read the table."""
    resolvers = read_keys(table, Resolvers())
    if resolvers.hold_valid > resolvers.max_ttl and table.sound("hold-valid", "max-ttl"):
        table.wrong(
            "hold-valid",
            f"is {resolvers.hold_valid:g} s, above max-ttl, {resolvers.max_ttl:g} s: answers cannot be kept for both",
        )
    return resolvers
