"""The rule ``leastconn``: the server with the fewest sessions for its weight; made for long sessions, as mail's are."""

from collections.abc import Sequence
from math import inf

from mailproxy.balance.pool_server import AnyServer


def pick(candidates: Sequence[AnyServer], key: bytes) -> AnyServer:
    """
    Return the candidate that would have the fewest sessions for its weight; ``key`` is ignored.

    As in HAProxy, an idle server comes before all others at any weight, and among equals the one that was picked
    longest ago, so that idle servers share the sessions.
    """
    best = candidates[0]
    fewest = inf
    for server in candidates:
        sessions = server.sessions
        load = (sessions + 1) / server.share if sessions else 0.0
        if load < fewest or (load == fewest and server.turn < best.turn):
            best = server
            fewest = load
    return best
