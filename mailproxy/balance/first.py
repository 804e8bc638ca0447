"""The rule ``first``: the first server with room, so that the last ones may stay empty; needs ``maxconn``."""

from collections.abc import Sequence
from typing import TypeVar

Candidate = TypeVar("Candidate")


def pick(candidates: Sequence[Candidate], key: bytes) -> Candidate:
    """Return the first of the candidates, which are in the order of the configuration; ``key`` is ignored."""
    return candidates[0]
