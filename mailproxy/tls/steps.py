"""Long work in steps of a millisecond at most: a reactor does other things in between."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that yields after each step, and returns its result."""

# Of work that takes some microseconds each.
STEP = 100


def finish(steps: Steps[T]) -> T:
    """Do all steps at once, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def ends_of_steps(things: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Yield things, and whether a step ends with each."""
    for number, thing in enumerate(things, 1):
        yield thing, number % STEP == 0
