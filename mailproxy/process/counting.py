"""Counters of a frontend in the pages: those of one worker, and the sum of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import fields

from mailproxy.process.page import COUNTER, Page, Places
from mailproxy.session.counters import Counters

COUNTED: tuple[str, ...] = tuple(field.name for field in fields(Counters))
"""What is counted on a frontend."""


def counter_names(frontend: str) -> tuple[str, ...]:
    """Return the names of a frontend's counters among the places."""
    return tuple(f"{COUNTER}{frontend} {name}" for name in COUNTED)


class PageCounters(Counters):
    """What one worker has counted on a frontend; it is in the worker's page, where it outlives the worker."""

    __slots__ = ("page", "places")

    def __init__(self, page: Page, frontend: str, places: Places) -> None:
        self.page = page
        self.places = [places[name] for name in counter_names(frontend)]


class SumOfCounters(Counters):
    """What all processes have counted on a frontend, also those that have ended; to be read."""

    __slots__ = ("pages", "places")

    def __init__(self, pages: Sequence[Page], frontend: str, places: Places) -> None:
        self.pages = pages
        self.places = [places[name] for name in counter_names(frontend)]


def _number(index: int) -> property:
    def read(counters: Any) -> int:
        return int(counters.page[counters.places[index]])

    def write(counters: Any, count: int) -> None:
        counters.page[counters.places[index]] = count

    return property(read, write)


def _sum(index: int) -> property:
    def read(counters: Any) -> int:
        return sum(page[counters.places[index]] for page in counters.pages)

    return property(read)


for _index, _name in enumerate(COUNTED):
    setattr(PageCounters, _name, _number(_index))
    setattr(SumOfCounters, _name, _sum(_index))
