"""How many attempts one session has, whatever the rule."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Server = TypeVar("Server")


def next_server(
    pick: Callable[[Sequence[Server], Sequence[Server]], Server],
    servers: Sequence[Server],
    tried: Sequence[Server],
    retries: int,
) -> Server | None:
    """
    Return the server for the next attempt by the rule ``pick``; None when there is no server or no attempt left.

    A session has one attempt and ``retries`` more, as in HAProxy. ``tried`` has one entry per attempt, in order.
    """
    if not servers or len(tried) > retries:
        return None
    return pick(servers, tried)
