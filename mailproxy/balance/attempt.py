"""Which servers a session tries again, under any rule."""

from collections.abc import Sequence
from typing import TypeVar

Server = TypeVar("Server")


def least_tried(servers: Sequence[Server], tried: Sequence[Server]) -> Sequence[Server]:
    """
    Return the servers that were tried least often, in order.

    So every server is tried once before any is tried twice. The servers may change between two attempts of one session:
    a tried server that is gone does not count.
    """
    if not tried or not servers:
        return servers
    untried = [server for server in servers if server not in tried]
    if untried:
        return untried
    counts = [tried.count(server) for server in servers]
    fewest = min(counts)
    return [server for server, count in zip(servers, counts, strict=True) if count == fewest]
