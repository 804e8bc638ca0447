"""Refuses arguments of a wrong kind when they are given, not with the first connection."""

from __future__ import annotations

from collections.abc import Iterable


def is_able(thing: object, method: str) -> bool:
    """Return whether this is an object, not a class, with such a method."""
    return not isinstance(thing, type) and callable(getattr(thing, method, None))


def check_factory(factory: object) -> None:
    """Raise ValueError for an object that makes no protocols."""
    if not is_able(factory, "buildProtocol"):
        raise ValueError(f"{factory!r} is not a factory; Factory.forProtocol(…) makes one from a class")


def as_tuple(name: str, items: object) -> tuple[object, ...]:
    """Return a collection as a tuple; ValueError for others, such as a string that should be in a tuple."""
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise ValueError(f"{name} {items!r} is not a tuple; write ({items!r},)")
    return tuple(items)
