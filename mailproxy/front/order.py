"""
Sessions in the order of their numbers, some at a time: a process may have a hundred thousand.

Each frontend has its sessions in the order in which they began, so no session but the ones that are wanted is looked
at. A copy of the references to 10,000 takes 50 µs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from operator import attrgetter

from mailproxy.session.session import Session

Ordered = Mapping[Session, None]
"""The sessions of one frontend, the oldest one first."""

_number = attrgetter("number")


def newest_before(number: int | None, most: int, frontends: Iterable[Ordered]) -> list[Session]:
    """Return the `most` newest sessions with smaller numbers than this one, the newest first; None: of all."""
    found: list[Session] = []
    for sessions in frontends:
        ordered = list(sessions)
        end = len(ordered) if number is None else bisect_left(ordered, number, key=_number)
        found += ordered[max(end - most, 0) : end]
    return sorted(found, key=_number, reverse=True)[:most]


def oldest_after(number: int, most: int, frontends: Iterable[Ordered]) -> list[Session]:
    """Return the `most` oldest sessions with greater numbers than this one, the oldest first."""
    found: list[Session] = []
    for sessions in frontends:
        ordered = list(sessions)
        begin = bisect_right(ordered, number, key=_number)
        found += ordered[begin : begin + most]
    return sorted(found, key=_number)[:most]
