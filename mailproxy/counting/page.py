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

# The numbers in a page: enough for thousands of frontends, each with hundreds of numbers. The kernel only allocates
# memory that is read or written.
NUMBERS_PER_PAGE = 1 << 20

_NUMBER_BYTES = 8

Numbers = memoryview
"""Numbers of one process that can be written: a page, or a part of it."""


class Pages:
    """The pages of the workers, by worker number from 0, and the page of the main process."""

    def __init__(self, workers: int = 0) -> None:
        numbers = memoryview(mmap.mmap(-1, (workers + 1) * NUMBERS_PER_PAGE * _NUMBER_BYTES)).cast("q")
        pages = [numbers[number * NUMBERS_PER_PAGE : (number + 1) * NUMBERS_PER_PAGE] for number in range(workers + 1)]
        self.workers: tuple[Numbers, ...] = tuple(pages[:-1])
        self.main: Numbers = pages[-1]
        self.all: tuple[Numbers, ...] = tuple(pages)
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
        page[: self.used] = new_numbers(self.used)


def new_numbers(count: int) -> Numbers:
    """Return new numbers in private memory, all 0."""
    return memoryview(bytearray(count * _NUMBER_BYTES)).cast("q")
