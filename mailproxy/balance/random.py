"""The rule ``random``: two servers by lot, the less loaded of them; good when many proxies share the servers."""

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from mailproxy.balance.pool_server import AnyServer


def pick(candidates: Sequence[AnyServer], key: bytes, draw: Callable[[], float] = random.random) -> AnyServer:
    """
    Draw two candidates by weight and return the one with fewer sessions for its weight, the first if they are equal.

    ``draw`` returns numbers from 0 up to 1, without 1; ``key`` has no say. As in HAProxy, the same may be drawn twice.
    """
    sums = list(accumulate([server.share for server in candidates]))
    last = len(sums) - 1
    one = candidates[bisect_right(sums, draw() * sums[-1], 0, last)]
    other = candidates[bisect_right(sums, draw() * sums[-1], 0, last)]
    return one if one.sessions * other.share <= other.sessions * one.share else other
