"""Arguments of a wrong kind, refused when they are given and not with the first connection."""

from __future__ import annotations

from collections.abc import Iterable


def is_able(thing: object, method: str) -> bool:
    """Tell whether this is an object, not a class, with such a method."""
    return not isinstance(thing, type) and callable(getattr(thing, method, None))


def must_be_factory(factory: object) -> None:
    """Refuse, with ValueError, what makes no protocols."""
    if not is_able(factory, "buildProtocol"):
        raise ValueError(f"{factory!r} is not a factory; Factory.forProtocol(…) makes one from a class")


def as_tuple(name: str, items: object) -> tuple[object, ...]:
    """Return a collection as a tuple; ValueError if it is none, as a string alone in the place of one in a tuple."""
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise ValueError(f"{name} {items!r} is not a tuple; write ({items!r},)")
    return tuple(items)
