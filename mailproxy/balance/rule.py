"""The rules by the words that the configuration has for them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen

from mailproxy.balance import first, leastconn, random, roundrobin, source
from mailproxy.balance.server import AnyServer


class Pick(Protocol):
    """Chooses among candidates, at least one, in the order of the configuration, for a client's key."""

    def __call__(self, candidates: Sequence[AnyServer], key: bytes) -> AnyServer:
        """Return one of the candidates."""


@frozen
class Rule:
    """How a pool chooses."""

    pick: Pick
    is_sticky: bool = False
    """True if a client waits for its own server when that one is full, and takes no other (as in HAProxy)."""


RULES: Mapping[str, Rule] = {
    "leastconn": Rule(leastconn.pick),
    "roundrobin": Rule(roundrobin.pick),
    "source": Rule(source.pick, is_sticky=True),
    "first": Rule(first.pick),
    "random": Rule(random.pick),
}
