"""
Memory that the main process and its workers have in common: one page for each of them, and numbers in it.

A page is written by its process alone, and read by all. A number is one aligned machine word, so nobody reads half of
one, and nobody needs a lock. Pages are made before the first fork. When a worker dies, the main process adds what it
has counted to its own page and clears the worker's.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from contextlib import suppress

# How many numbers a page has room for: those of about 8,000 servers, or of 7,000 frontends. The kernel gives memory to
# what is written alone.
NUMBERS = 65536

_WORD_BYTES = 8

BEAT = 0
"""The number that says how often a process has shown that it lives."""

COUNTER = "counter "
"""How the names of numbers begin that only grow; what else there is ends with its process."""

Page = memoryview
"""The numbers of one process."""


class Pages:
    """The pages of a number of workers, by their number from 0, and that of the main process."""

    def __init__(self, workers: int) -> None:
        words = memoryview(mmap.mmap(-1, (workers + 1) * NUMBERS * _WORD_BYTES)).cast("q")
        pages = [words[number * NUMBERS : (number + 1) * NUMBERS] for number in range(workers + 1)]
        self.workers: tuple[Page, ...] = tuple(pages[:-1])
        self.main: Page = pages[-1]
        self.all: tuple[Page, ...] = tuple(pages)
        self.bells = tuple(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(workers))
        """A descriptor for each worker: what rings it wakes that worker."""
        self.used = 1
        """How many numbers of a page may be other than 0."""

    def ring(self, worker: int) -> None:
        """Wake a worker."""
        with suppress(BlockingIOError):  # it has been told often enough
            os.eventfd_write(self.bells[worker], 1)

    def fold(self, worker: int, counters: Iterable[int]) -> None:
        """Add the counters of a worker that has ended to those of the main process, and clear the worker's page."""
        page = self.workers[worker]
        for place in counters:
            self.main[place] += page[place]
        for place in range(self.used):
            page[place] = 0


class Places:
    """
    Which number of a page counts what: the main process gives places out, workers are told.

    A place is never given to anything else: a worker may have sessions from long before.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {"beat": BEAT}

    def __getitem__(self, name: str) -> int:
        """Return the place of what has this name; KeyError if it has none."""
        return self._places[name]

    def add(self, names: Iterable[str]) -> None:
        """Give a place to each that has none; `NoRoomError` if there is none left, and then nothing changes."""
        new = [name for name in dict.fromkeys(names) if name not in self._places]
        first = len(self._places)
        if first + len(new) > NUMBERS:
            raise NoRoomError(
                "the memory that counts servers and frontends is full of those of earlier configurations; restart "
                "mailproxy to begin anew"
            )
        self._places |= {name: first + number for number, name in enumerate(new)}

    def __len__(self) -> int:
        """Return how many are given out."""
        return len(self._places)

    @property
    def counters(self) -> list[int]:
        """The places of what only grows."""
        return [place for name, place in self._places.items() if name.startswith(COUNTER)]

    def take(self, places: dict[str, int]) -> None:
        """Know all places that the main process has given out."""
        self._places = dict(places)

    def copy(self) -> dict[str, int]:
        """Return all places, by name."""
        return dict(self._places)


class NoRoomError(Exception):
    """There is no place left in the pages."""
