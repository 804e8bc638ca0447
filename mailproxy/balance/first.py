"""The rule ``first``: the servers in the order of the configuration, the next one only when one fails."""

from collections.abc import Sequence
from typing import TypeVar

Server = TypeVar("Server")


def pick(servers: Sequence[Server], tried: Sequence[Server]) -> Server:
    """
    Return the earliest of the servers that were tried least often; ValueError when there is no server.

    So every server has its turn before any has a second one, and a single server is tried again. The servers may
    differ between two attempts of one session: what was tried and is gone does not count.
    """
    return min(servers, key=tried.count)
