"""Counters of a frontend in the pages: those of one worker, and the sum over all processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import fields

from mailproxy.process.page import COUNTER, Page, Places
from mailproxy.session.counters import Counters

COUNTED: tuple[str, ...] = tuple(field.name for field in fields(Counters))
"""The names of a frontend's counters."""


def counter_names(frontend: str) -> tuple[str, ...]:
    """Return the names of the places of a frontend's counters."""
    return tuple(f"{COUNTER}{frontend} {name}" for name in COUNTED)


class PageCounters(Counters):
    """The counters of one worker on a frontend; they are in the worker's page, which outlives the worker."""

    __slots__ = ("page", "places")

    def __init__(self, page: Page, frontend: str, places: Places) -> None:
        self.page = page
        self.places = [places[name] for name in counter_names(frontend)]


class SumOfCounters(Counters):
    """The sum of the counters of all processes on a frontend, including ended ones (read-only)."""

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
