"""The rule ``random``: the less loaded of two random servers; good if many proxies share the servers."""

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from mailproxy.balance.pool_server import AnyServer


def pick(candidates: Sequence[AnyServer], key: bytes, draw: Callable[[], float] = random.random) -> AnyServer:
    """
    Draw two candidates by weight and return the one with fewer sessions for its weight, the first if they are equal.

    ``draw`` returns numbers from 0 to below 1; ``key`` is ignored. As in HAProxy, the same server may be drawn twice.
    """
    sums = list(accumulate([server.share for server in candidates]))
    last = len(sums) - 1
    one = candidates[bisect_right(sums, draw() * sums[-1], 0, last)]
    other = candidates[bisect_right(sums, draw() * sums[-1], 0, last)]
    return one if one.sessions * other.share <= other.sessions * one.share else other
