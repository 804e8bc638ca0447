"""Which servers a session tries again, whatever the rule."""

from collections.abc import Sequence
from typing import TypeVar

Server = TypeVar("Server")


def least_tried(servers: Sequence[Server], tried: Sequence[Server]) -> Sequence[Server]:
    """
    Return those of the servers that were tried least often, in order.

    So every server has its turn before any has a second one. The servers may differ between two attempts of one
    session: what was tried and is gone does not count.
    """
    if not tried or not servers:
        return servers
    untried = [server for server in servers if server not in tried]
    if untried:
        return untried
    counts = [tried.count(server) for server in servers]
    fewest = min(counts)
    return [server for server, count in zip(servers, counts, strict=True) if count == fewest]
