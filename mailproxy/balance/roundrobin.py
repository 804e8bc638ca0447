"""The rule ``roundrobin``: turns by weight, and spread: with weights 3 and 1 it goes aaba, not aaab."""

from collections.abc import Sequence
from math import inf

from mailproxy.balance.pool_server import AnyServer


def pick(candidates: Sequence[AnyServer], key: bytes) -> AnyServer:
    """
    Return the candidate that is owed most, the earliest among equals; ``key`` has no say.

    With every turn each candidate is owed its weight more, and the one that has the turn pays the weights of all. So
    over as many turns as the weights add up to, each has as many as its weight, whenever one begins to count. The
    method is nginx's. The credits on the servers change.
    """
    best = candidates[0]
    most = -inf
    price = 0.0
    for server in candidates:
        share = server.share
        price += share
        server.credit = credit = server.credit + share
        if credit > most:
            best = server
            most = credit
    best.credit -= price
    return best
