"""One key of a condition, made ready: the question about a client, and the words for its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from mailproxy.config.measure import Measure
from mailproxy.rules.subject import Subject
from mailproxy.rules.unknown import UNKNOWN, Test, Unknown


@frozen(eq=False)
class Predicate:
    """One key of a condition."""

    key: str
    """The key, as the configuration writes it."""
    wanted: str
    """The value that it has there."""
    test: Test[Subject]
    shown: Callable[[Subject], str]
    """Returns the client's own value, in words."""
    measure: Measure | None = None
    """What it counts of the client's source; None: nothing."""
    fact: str = ""
    """The name of the fact that it asks for, as `mailproxy.rules.facts` reads it, if that is not the key."""
    asks_client: bool = True
    """False if the answer is the same for all clients of a moment."""


def listed(values: Sequence[object]) -> str:
    """Write the values of a key, one of which is enough."""
    shown = [str(value) for value in values]
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


def worded(value: object) -> str:
    """Write a client's own value."""
    match value:
        case Unknown():
            return UNKNOWN.value
        case None | ():
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
        case tuple():
            return ", ".join(map(str, value))
    return str(value)
