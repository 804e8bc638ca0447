"""
The table of one process: a fixed number of sources, with their connections at once and their rates.

The table is set-associative, as a processor's cache: a key belongs to one set of `WAYS` entries. A new key that finds
its set full takes the place of the oldest entry there that has no connections. Sets are found by Python's hash of
bytes, which is keyed: no peer can choose addresses that share a set. Processes that were forked from one have the same
key.

An entry has its key and its numbers side by side, so that an accept reads and writes one page of memory. The hash says
in which entry of its set a key is, if that was free when it came; others are found by tags, a byte of each hash.

Only its own process writes a table; others read it at any time. The tag of an entry is 0, and its key nobody's, while
it is replaced, and each number is one aligned machine word, so no lock is needed: at worst, a reader sees the numbers
of an entry that was replaced at this moment.

Per entry there are 97 bytes. Half as many entries again as the table is for let 99.9 % of that many addresses find a
place.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from struct import Struct

from mailproxy.config.measure import MAX_RATES
from mailproxy.sources.key import KEY_BYTES

WAYS = 32

COLUMNS = 3 + MAX_RATES
"""The rates of an entry (`mailproxy.sources.plan`)."""

NUMBER_BYTES = 4

# The numbers of an entry, from its place on, after its key.
LIVE = 6
"""The connections at once."""
TOUCHED = 7
"""When the last connection came, in `Table.times`."""
RATES = 8
"""The first of two numbers for each rate."""
ENTRY = RATES + 2 * COLUMNS
"""The length of an entry in numbers: the distance of two places."""

_ENTRY_BYTES = NUMBER_BYTES * ENTRY

read = Struct(f"{KEY_BYTES}s3xI4xIIII").unpack_from
"""
Return what a usual accept needs, from `Table.memory` and ``NUMBER_BYTES * place``.

That is the key, the connections, and both numbers of each of the first two rates.
"""

write = Struct("IfI").pack_into
"""
Write what a usual accept changes, from ``NUMBER_BYTES * (place + LIVE)`` on.

That is the connections, the time, and the first number of the first rate. Another process may see all of them as 0 for
a moment, so a table that other processes judge by is not written like this.
"""

_SPARE = 1.5

_SIZE, _EVICTIONS, _OVERFLOWS = range(3)
_HEADER_BYTES = 64

_NO_KEY = bytes(KEY_BYTES)
_NO_NUMBERS = memoryview(bytes(_ENTRY_BYTES)).cast("I")[LIVE:]
_NO_RATES = _NO_NUMBERS[RATES - LIVE :]

NOWHERE = -1
"""In place of an entry: the source is not in the table."""


class Table:
    """The sources of one process; an entry is known by its place in `numbers`."""

    def __init__(self, sources: int) -> None:
        """Make a table for a number of sources; the kernel only allocates the memory that is written."""
        self.sets = max(int(sources * _SPARE) // WAYS, 1)
        self.room = self.sets * WAYS
        """The most entries."""
        self._first_tag = self.room * _ENTRY_BYTES
        end = self._first_tag + self.room
        self.memory = mmap.mmap(-1, end + _HEADER_BYTES)
        whole = memoryview(self.memory)
        self.numbers = whole[: self._first_tag].cast("I")
        """The numbers of all entries, with their keys between them."""
        self.times = whole[: self._first_tag].cast("f")
        """
        The same memory as floats, which cost less than integers: they are exact to a second for half a year after the
        start of Linux.
        """
        self._header = whole[-_HEADER_BYTES:].cast("Q")

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._header[_SIZE]

    @property
    def evictions(self) -> int:
        """How many entries have left for others, since the start."""
        return self._header[_EVICTIONS]

    @property
    def overflows(self) -> int:
        """How often a source was not counted, because its set had only sources with connections."""
        return self._header[_OVERFLOWS]

    def find(self, key: bytes) -> int:
        """Return the place of a key, or `NOWHERE`."""
        memory, way = self.memory, hash(key) % self.room
        start = way * _ENTRY_BYTES
        if memory[start : start + KEY_BYTES] == key:
            return way * ENTRY
        tags, tag, first = self._tags(way), _tag(key), way - way % WAYS
        found = tags.find(tag)
        while found >= 0:
            start = (first + found) * _ENTRY_BYTES
            if memory[start : start + KEY_BYTES] == key:
                return (first + found) * ENTRY
            found = tags.find(tag, found + 1)
        return NOWHERE

    def enter(self, key: bytes, now: float) -> int:
        """Return the place of a key, which may be new, and note the time; `NOWHERE` if there is no place."""
        # As `find`, and for a new key in a free way without a call: there may be many of them.
        memory, digest = self.memory, hash(key)
        way, tag = digest % self.room, digest >> 32 & 0xFF or 1
        first = way - way % WAYS
        first_tag = self._first_tag + first
        tags = memory[first_tag : first_tag + WAYS]
        found = tags.find(tag)
        while found >= 0:
            start = (first + found) * _ENTRY_BYTES
            if memory[start : start + KEY_BYTES] == key:
                place = (first + found) * ENTRY
                self.times[place + TOUCHED] = now
                return place
            found = tags.find(tag, found + 1)
        if tags[way - first]:
            way = first + tags.find(0)
            if way < first:
                way = self._clear_oldest(first)
                if way < 0:
                    return NOWHERE
        start, place = way * _ENTRY_BYTES, way * ENTRY
        memory[start : start + KEY_BYTES] = key
        memory[self._first_tag + way] = tag
        self.times[place + TOUCHED] = now
        self._header[_SIZE] += 1
        return place

    def _tags(self, way: int) -> bytes:
        """Return the tags of the set that has this way; 0 is that of a free one."""
        first = self._first_tag + way - way % WAYS
        return self.memory[first : first + WAYS]

    def _clear_oldest(self, first: int) -> int:
        """Clear the oldest entry without connections of a set, and return its way; `NOWHERE` if there is none."""
        idle = [way for way in range(first, first + WAYS) if not self.numbers[way * ENTRY + LIVE]]
        if not idle:
            self._header[_OVERFLOWS] += 1
            return NOWHERE
        way = min(idle, key=lambda way: self.times[way * ENTRY + TOUCHED])
        start, place = way * _ENTRY_BYTES, way * ENTRY
        self.memory[self._first_tag + way] = 0
        self.memory[start : start + KEY_BYTES] = _NO_KEY
        self.numbers[place + LIVE : place + ENTRY] = _NO_NUMBERS
        self._header[_EVICTIONS] += 1
        self._header[_SIZE] -= 1
        return way

    def forget(self, key: bytes) -> None:
        """Forget the rates of a key; its connections stay."""
        place = self.find(key)
        if place >= 0:
            self.numbers[place + RATES : place + ENTRY] = _NO_RATES

    def give_back(self) -> None:
        """Forget the connections of a process that has ended; the rates stay."""
        numbers = self.numbers
        for first in range(0, self.room, WAYS):
            if self._tags(first) != _NO_TAGS:  # the kernel has no memory yet for sets that are empty
                numbers[first * ENTRY + LIVE : (first + WAYS) * ENTRY : ENTRY] = _NO_CONNECTIONS

    def entries(self) -> Iterator[tuple[bytes, int] | None]:
        """Yield the key and the place of each entry, and None after each set, which may take a few microseconds."""
        for first in range(0, self.room, WAYS):
            tags = self._tags(first)
            if tags != _NO_TAGS:
                for way, tag in enumerate(tags, first):
                    if tag:
                        start = way * _ENTRY_BYTES
                        yield self.memory[start : start + KEY_BYTES], way * ENTRY
            yield None


_NO_TAGS = bytes(WAYS)
_NO_CONNECTIONS = memoryview(bytes(NUMBER_BYTES * WAYS)).cast("I")


def _tag(key: bytes) -> int:
    """Return the tag of a key: not the bits of its hash that say in which set it is."""
    return hash(key) >> 32 & 0xFF or 1
