"""
Memory that the main process and its workers share: a page of numbers for each process.

Only its own process writes a page; all processes read it. A number is one aligned machine word, so reads and writes are
atomic, and no lock is needed. Pages are made before the first fork. When a worker dies, the main process adds the
worker's counters to its own page and clears the worker's page.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

# The numbers in a page: enough for thousands of frontends, each with hundreds of numbers. The kernel only allocates
# memory that is read or written.
NUMBERS = 1 << 20

_WORD_BYTES = 8

BEAT = 0
"""The place of the count of a process's signs of life."""

COUNTER = "counter "
"""The prefix of names of counters, which only grow; other numbers are cleared when their process ends."""

Words = memoryview
"""Numbers of one process that can be written: a page, or a part of it."""


class Pages:
    """The pages of the workers, by worker number from 0, and the page of the main process."""

    def __init__(self, workers: int = 0) -> None:
        words = memoryview(mmap.mmap(-1, (workers + 1) * NUMBERS * _WORD_BYTES)).cast("q")
        pages = [words[number * NUMBERS : (number + 1) * NUMBERS] for number in range(workers + 1)]
        self.workers: tuple[Words, ...] = tuple(pages[:-1])
        self.main: Words = pages[-1]
        self.all: tuple[Words, ...] = tuple(pages)
        self.bells = tuple(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(workers))
        """An eventfd for each worker: a write wakes that worker."""
        self.used = 1
        """The count of numbers in use in each page; the rest are 0."""

    def ring(self, worker: int) -> None:
        """Wake a worker."""
        with suppress(BlockingIOError):  # it has not read earlier wake-ups yet
            os.eventfd_write(self.bells[worker], 1)

    def fold(self, worker: int, counters: Iterable[slice]) -> None:
        """Add the counters of an ended worker to those of the main process, and clear the worker's page."""
        page, main = self.workers[worker], self.main
        for places in counters:
            for place, number in enumerate(page[places].tolist(), places.start):
                if number:
                    main[place] += number
        page[: self.used] = no_words(self.used)


def no_words(count: int) -> Words:
    """Return new numbers in private memory, all 0."""
    return memoryview(bytearray(count * _WORD_BYTES)).cast("q")


class Places:
    """
    The place of each named number, or block of numbers, in a page: the main process assigns places, and sends them to
    workers.

    A place is never assigned again: a worker may still have old sessions that count there.
    """

    def __init__(self) -> None:
        self._places: dict[str, tuple[int, int]] = {"beat": (BEAT, 1)}
        self.used = 1
        """The number of assigned places."""

    def __getitem__(self, name: str) -> int:
        """Return the place of the number with this name, the first one of a block; raise KeyError if it has none."""
        return self._places[name][0]

    def block(self, name: str) -> slice:
        """Return the places of the block with this name; raise KeyError if it has none."""
        first, length = self._places[name]
        return slice(first, first + length)

    def add(self, lengths: Mapping[str, int]) -> None:
        """
        Assign places to each new name, as many as its length, side by side; if too few are left, raise `NoRoomError`
        and change nothing.
        """
        new = {name: length for name, length in lengths.items() if name not in self._places}
        if self.used + sum(new.values()) > NUMBERS:
            raise NoRoomError(
                "the memory for the counts of servers and frontends is full, those of earlier configurations included; "
                "restart mailproxy to clear it"
            )
        for name, length in new.items():
            self._places[name] = self.used, length
            self.used += length

    @property
    def counters(self) -> list[slice]:
        """The places of counters."""
        return [self.block(name) for name in self._places if name.startswith(COUNTER)]

    def take(self, places: Mapping[str, tuple[int, int]]) -> None:
        """Take the places that the main process has assigned."""
        self._places = dict(places)

    def copy(self) -> dict[str, tuple[int, int]]:
        """Return all places and lengths, by name."""
        return dict(self._places)


class NoRoomError(Exception):
    """The pages have no place left."""
