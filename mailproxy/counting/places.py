"""Where each number is in a page: the same place in the pages of all processes."""

from __future__ import annotations

from collections.abc import Mapping

from mailproxy.counting.page import NUMBERS_PER_PAGE

BEAT = 0
"""The place of the count of a process's signs of life."""

COUNTER = "counter "
"""The prefix of names of counters, which only grow; other numbers are cleared when their process ends."""


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
        if self.used + sum(new.values()) > NUMBERS_PER_PAGE:
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
