"""Long work in steps of at most a millisecond: the reactor does other work between them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that yields after each step, and returns its result."""

# Items per step, if each takes a few microseconds.
STEP = 100


def finish(steps: Steps[T]) -> T:
    """Run all steps at once, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def ends_of_steps(things: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Yield each thing, and whether a step ends after it."""
    for number, thing in enumerate(things, 1):
        yield thing, number % STEP == 0
