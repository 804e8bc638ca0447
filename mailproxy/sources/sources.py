"""The sources of all processes: this process's table, which it writes, and those that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from mailproxy.config.measure import Measure
from mailproxy.sources.key import EVERYWHERE, key_maker
from mailproxy.sources.plan import Column, Plan, bits_of
from mailproxy.sources.table import LIVE, Table
from mailproxy.sources.window import MAX_COUNT, estimated

Now = Callable[[], float]
"""The monotonic clock that all processes share, in seconds."""

Entry = tuple[Table, int]
"""An entry of one process's table: its place there."""


class Sources:
    """The tables of all processes."""

    def __init__(self, tables: Sequence[Table], own: Table | None) -> None:
        """`own` is the table that this process writes; None: none, because this process has no clients."""
        self.tables = tuple(tables)
        self.own = own
        self.others = tuple(table for table in tables if table is not own)

    @property
    def size(self) -> int:
        """The entries of all tables; a source that several processes know has several."""
        return sum(table.size for table in self.tables)

    @property
    def room(self) -> int:
        """The most entries of all tables."""
        return sum(table.room for table in self.tables)

    @property
    def evictions(self) -> int:
        """How many entries have left for others, since the start."""
        return sum(table.evictions for table in self.tables)

    @property
    def overflows(self) -> int:
        """How often a source was not counted, for lack of a place, since the start."""
        return sum(table.overflows for table in self.tables)

    def find(self, key: bytes) -> list[Entry]:
        """Return the entries of a key, in all tables."""
        found = ((table, table.find(key)) for table in self.tables)
        return [(table, place) for table, place in found if place >= 0]

    def forget(self, keys: Iterable[bytes]) -> None:
        """Forget the rates of keys, as far as this process has counted them."""
        if self.own is not None:
            for key in keys:
                self.own.forget(key)


def connections_of(entries: Sequence[Entry]) -> int:
    """Return the connections at once of a source with these entries."""
    connections = 0
    for table, place in entries:
        connections += table.numbers[place + LIVE]
    return connections


def most_of(entries: Sequence[Entry], column: Column) -> int:
    """Return the most that a rate of a source with these entries can be; it costs less than the rate itself."""
    most = 0
    for table, place in entries:
        first = place + column.place
        most += (table.numbers[first] & MAX_COUNT) + (table.numbers[first + 1] & MAX_COUNT)
    return most


def rate_of(entries: Sequence[Entry], column: Column, now: float) -> float:
    """Return a rate of a source with these entries."""
    rate, time = 0.0, column.time(now)
    for table, place in entries:
        first = place + column.place
        current = table.numbers[first]
        if current:
            rate += estimated(current, table.numbers[first + 1], time)
    return rate


@frozen
class SourceCounts:
    """What rules may ask of sources, by one reading of the configuration."""

    sources: Sources
    plan: Plan
    now: Now

    def count(self, measure: Measure) -> Callable[[bytes], float]:
        """Return the function that returns the number of `measure` for an address, for all frontends together."""
        find, now = self.sources.find, self.now
        key = key_maker(EVERYWHERE, *bits_of(measure, self.plan.prefix))
        if measure.counted == "source-connections":
            return lambda address: float(connections_of(find(key(address))))
        column = self.plan.find(measure.counted, measure.seconds)
        assert column is not None, f"the plan lacks {measure}"
        return lambda address: rate_of(find(key(address)), column, now())
