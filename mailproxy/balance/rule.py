"""The rules, by their names in the configuration."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen

from mailproxy.balance import first, leastconn, random, roundrobin, source
from mailproxy.balance.pool_server import AnyServer


class Pick(Protocol):
    """Chooses among candidates, at least one, in the order of the configuration, for a client's key."""

    def __call__(self, candidates: Sequence[AnyServer], key: bytes) -> AnyServer:
        """Return one of the candidates."""


@frozen
class Rule:
    """A balance rule."""

    pick: Pick
    words: str
    """What it chooses, for the reference page."""
    is_sticky: bool = False
    """True if a client waits for its own server while that is full, and gets no other (as in HAProxy)."""
    compares_sessions: bool = False
    """True if the choice among servers with room depends on their sessions."""


RULES: Mapping[str, Rule] = {
    "leastconn": Rule(leastconn.pick, "the server with the fewest sessions for its weight", compares_sessions=True),
    "roundrobin": Rule(roundrobin.pick, "each in turn, as often as its weight says"),
    "source": Rule(
        source.pick,
        "always the same one for a client's address (IPv6: its /64), as long as that one is up",
        is_sticky=True,
    ),
    "first": Rule(first.pick, "the first in the file that has room"),
    "random": Rule(random.pick, "the one with fewer sessions of two random servers", compares_sessions=True),
}
