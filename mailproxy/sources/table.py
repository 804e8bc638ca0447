"""
The table of one process: a fixed number of sources, with their connections at once and their rates.

The table is set-associative, as a processor's cache: a key belongs to one set of `WAYS` entries. A new key that finds
its set full takes the place of the oldest entry there that has no connections. Sets are found by Python's hash of
bytes, which is keyed: no peer can choose addresses that share a set. Processes that were forked from one have the same
key.

Only its own process writes a table; others read it at any time. An entry is complete before its key is written, and
each number is one aligned machine word, so no lock is needed: at worst, a reader sees the numbers of an entry that was
replaced at this moment.

Per entry there are 93 bytes. Half as many entries again as the table is for let 99.9 % of that many addresses find a
place.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

from mailproxy.config.measure import MAX_RATES
from mailproxy.sources.key import KEY_BYTES
from mailproxy.sources.window import counted

WAYS = 32

COLUMNS = 3 + MAX_RATES
"""The rates of an entry (`mailproxy.sources.plan`)."""

_SPARE = 1.5
_TICKS_PER_SECOND = 16
_TICKS = 0xFFFFFFFF

_SIZE, _EVICTIONS, _OVERFLOWS = range(3)
_HEADER_BYTES = 64

_SET_BYTES = WAYS * KEY_BYTES

_NO_KEY = bytes(KEY_BYTES)
_NO_RATES = memoryview(bytes(8 * COLUMNS)).cast("Q")

NOWHERE = -1
"""In place of an entry: the source is not in the table."""


class Table:
    """The sources of one process."""

    def __init__(self, sources: int) -> None:
        """Make a table for a number of sources; the kernel only allocates the memory that is written."""
        self.sets = max(int(sources * _SPARE) // WAYS, 1)
        slots = self.sets * WAYS
        sizes = [_HEADER_BYTES, 8 * COLUMNS * slots, 4 * slots, 4 * slots, KEY_BYTES * slots, self.sets]
        self._memory = mmap.mmap(-1, sum(sizes))
        whole = memoryview(self._memory)
        parts = []
        first = 0
        for size in sizes:
            parts.append(whole[first : first + size])
            first += size
        header, rates, live, touched, _, self._fill = parts
        self._header = header.cast("Q")
        self.rates = rates.cast("Q")
        """The rates of all entries, `COLUMNS` for each."""
        self.live = live.cast("I")
        """The connections at once of each entry."""
        self._touched = touched.cast("I")
        self._keys = sum(sizes[:4])

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._header[_SIZE]

    @property
    def room(self) -> int:
        """The most entries."""
        return self.sets * WAYS

    @property
    def evictions(self) -> int:
        """How many entries have left for others, since the start."""
        return self._header[_EVICTIONS]

    @property
    def overflows(self) -> int:
        """How often a source was not counted, because its set had only sources with connections."""
        return self._header[_OVERFLOWS]

    def set_of(self, key: bytes) -> int:
        """Return the set of a key; it is the same in all tables of this size."""
        return hash(key) % self.sets

    def find(self, key: bytes, set: int) -> int:
        """Return the entry of a key, or `NOWHERE`."""
        first = self._keys + set * _SET_BYTES
        keys = self._memory[first : first + _SET_BYTES]
        place = keys.find(key)
        while place % KEY_BYTES:  # also for -1: parts of two keys look like this one
            if place < 0:
                return NOWHERE
            place = keys.find(key, place + 1)
        return set * WAYS + place // KEY_BYTES

    def enter(self, key: bytes, set: int, now: float) -> int:
        """Return the entry of a key, which may be new, and note the time; `NOWHERE` if there is no place."""
        first = self._keys + set * _SET_BYTES
        place = self._memory[first : first + _SET_BYTES].find(key)
        # Usually not -1, nor parts of two keys.
        slot = self.find(key, set) if place < 0 or place % KEY_BYTES else set * WAYS + place // KEY_BYTES
        if slot < 0:
            slot = self._place(set)
            if slot < 0:
                self._header[_OVERFLOWS] += 1
                return NOWHERE
            self._write_key(slot, _NO_KEY)  # until the numbers are those of the new one
            self.rates[slot * COLUMNS : (slot + 1) * COLUMNS] = _NO_RATES
            self._write_key(slot, key)
        self._touched[slot] = int(now * _TICKS_PER_SECOND) & _TICKS
        return slot

    def _write_key(self, slot: int, key: bytes) -> None:
        first = self._keys + slot * KEY_BYTES
        self._memory[first : first + KEY_BYTES] = key

    def _place(self, set: int) -> int:
        """Return the place for a new entry in a set."""
        fill, first = self._fill[set], set * WAYS
        if fill < WAYS:
            self._fill[set] = fill + 1
            self._header[_SIZE] += 1
            return first + fill
        idle = [slot for slot in range(first, first + WAYS) if not self.live[slot]]
        if not idle:
            return NOWHERE
        self._header[_EVICTIONS] += 1
        return min(idle, key=self._touched.__getitem__)

    def count(self, slot: int, column: int, time: float) -> None:
        """Count an event of an entry's rate; `time` is in windows of that rate."""
        place = slot * COLUMNS + column
        self.rates[place] = counted(self.rates[place], time)

    def forget(self, key: bytes) -> None:
        """Forget the rates of a key; its connections stay."""
        slot = self.find(key, self.set_of(key))
        if slot >= 0:
            self.rates[slot * COLUMNS : (slot + 1) * COLUMNS] = _NO_RATES

    def give_back(self) -> None:
        """Forget the connections of a process that has ended; the rates stay."""
        self.live[:] = memoryview(bytes(4 * len(self.live))).cast("I")

    def entries(self) -> Iterator[tuple[bytes, int] | None]:
        """Yield the key and the place of each entry, and None after each set, which may take a few microseconds."""
        for set in range(self.sets):
            fill = self._fill[set]
            if fill:
                first = self._keys + set * _SET_BYTES
                keys = self._memory[first : first + fill * KEY_BYTES]
                for way in range(fill):
                    yield keys[way * KEY_BYTES : (way + 1) * KEY_BYTES], set * WAYS + way
            yield None
