"""
Memory that the main process and its workers share: a page of numbers for each process.

Only its own process writes a page; all processes read it. A number is one aligned machine word, so reads and writes are
atomic, and no lock is needed. Pages are made before the first fork. When a worker dies, the main process adds the
worker's counters to its own page and clears the worker's page.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from contextlib import suppress

# The numbers in a page: enough for about 8,000 servers, or 7,000 frontends. The kernel only allocates memory that is
# written.
NUMBERS = 65536

_WORD_BYTES = 8

BEAT = 0
"""The place of the count of a process's signs of life."""

COUNTER = "counter "
"""The prefix of names of counters, which only grow; other numbers are cleared when their process ends."""

Page = memoryview
"""The numbers of one process."""


class Pages:
    """The pages of the workers, by worker number from 0, and the page of the main process."""

    def __init__(self, workers: int) -> None:
        words = memoryview(mmap.mmap(-1, (workers + 1) * NUMBERS * _WORD_BYTES)).cast("q")
        pages = [words[number * NUMBERS : (number + 1) * NUMBERS] for number in range(workers + 1)]
        self.workers: tuple[Page, ...] = tuple(pages[:-1])
        self.main: Page = pages[-1]
        self.all: tuple[Page, ...] = tuple(pages)
        self.bells = tuple(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(workers))
        """An eventfd for each worker: a write wakes that worker."""
        self.used = 1
        """The count of numbers in use in each page; the rest are 0."""

    def ring(self, worker: int) -> None:
        """Wake a worker."""
        with suppress(BlockingIOError):  # it has not read earlier wake-ups yet
            os.eventfd_write(self.bells[worker], 1)

    def fold(self, worker: int, counters: Iterable[int]) -> None:
        """Add the counters of an ended worker to those of the main process, and clear the worker's page."""
        page = self.workers[worker]
        for place in counters:
            self.main[place] += page[place]
        for place in range(self.used):
            page[place] = 0


class Places:
    """
    The place of each named number in a page: the main process assigns places, and sends them to workers.

    A place is never assigned again: a worker may still have old sessions that count there.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {"beat": BEAT}

    def __getitem__(self, name: str) -> int:
        """Return the place of the number with this name; raise KeyError if it has none."""
        return self._places[name]

    def add(self, names: Iterable[str]) -> None:
        """Assign a place to each new name; if too few are left, raise `NoRoomError` and change nothing."""
        new = [name for name in dict.fromkeys(names) if name not in self._places]
        first = len(self._places)
        if first + len(new) > NUMBERS:
            raise NoRoomError(
                "the memory for the counts of servers and frontends is full, those of earlier configurations included; "
                "restart mailproxy to clear it"
            )
        self._places |= {name: first + number for number, name in enumerate(new)}

    def __len__(self) -> int:
        """Return the number of assigned places."""
        return len(self._places)

    @property
    def counters(self) -> list[int]:
        """The places of counters."""
        return [place for name, place in self._places.items() if name.startswith(COUNTER)]

    def take(self, places: dict[str, int]) -> None:
        """Take the places that the main process has assigned."""
        self._places = dict(places)

    def copy(self) -> dict[str, int]:
        """Return all places, by name."""
        return dict(self._places)


class NoRoomError(Exception):
    """The pages have no place left."""
