"""The rule ``roundrobin``: turns by weight, spread evenly: with weights 3 and 1 the order is aaba, not aaab."""

from collections.abc import Sequence
from math import inf

from mailproxy.balance.pool_server import AnyServer


def pick(candidates: Sequence[AnyServer], key: bytes) -> AnyServer:
    """
    Return the candidate with the highest credit, the first among equals; ``key`` is ignored.

    Each turn adds a candidate's weight to its credit, and takes the sum of all weights from the one that is picked. So
    in any series of turns as long as that sum, each candidate has as many turns as its weight. The method is nginx's.
    The credits on the servers change.
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
