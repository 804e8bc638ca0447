"""The rule ``first``: the earliest server with room, so that the last ones may stay empty; ``maxconn`` fills them."""

from collections.abc import Sequence
from typing import TypeVar

Candidate = TypeVar("Candidate")


def pick(candidates: Sequence[Candidate], key: bytes) -> Candidate:
    """Return the first of the candidates, which are in the order of the configuration; ``key`` has no say."""
    return candidates[0]
