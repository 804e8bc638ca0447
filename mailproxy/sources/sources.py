"""The sources of all processes: this process's table, which it writes, and those that it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import frozen

from mailproxy.config.measure import Counted, Measure
from mailproxy.sources.key import EVERYWHERE, key_maker
from mailproxy.sources.plan import Plan, bits_of
from mailproxy.sources.table import COLUMNS, Table
from mailproxy.sources.window import counted, estimated

Now = Callable[[], float]
"""The monotonic clock that all processes share, in seconds."""

Place = tuple[Table, int]
"""An entry of one process's table."""


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

    def find(self, key: bytes) -> list[Place]:
        """Return the entries of a key, in all tables."""
        if not self.tables:
            return []
        set = self.tables[0].set_of(key)  # all tables have the same size
        found = ((table, table.find(key, set)) for table in self.tables)
        return [(table, slot) for table, slot in found if slot >= 0]

    def forget(self, keys: Iterable[bytes]) -> None:
        """Forget the rates of keys, as far as this process has counted them."""
        if self.own is not None:
            for key in keys:
                self.own.forget(key)


def connections_of(places: Sequence[Place]) -> int:
    """Return the connections at once of a source with these entries."""
    connections = 0
    for table, slot in places:
        connections += table.live[slot]
    return connections


def rate_of(places: Sequence[Place], column: int, time: float) -> float:
    """Return a rate of a source with these entries; `time` is in windows of that rate."""
    rate = 0.0
    for table, slot in places:
        word = table.rates[slot * COLUMNS + column]
        if word:
            rate += estimated(word, time)
    return rate


class Entry:
    """One connection, as it is counted in one scope."""

    __slots__ = ("_plan", "places")

    def __init__(self, plan: Plan, places: list[Place]) -> None:
        """
        The first of the places is in this process's own table; those of other processes may change soon.

        Its number of connections includes this one from `SourceGate.take` on, until `leave`.
        """
        self._plan = plan
        self.places = places

    def leave(self) -> None:
        """Count the connection out."""
        table, slot = self.places[0]
        table.live[slot] -= 1

    def count(self, kind: Counted, now: float) -> None:
        """Count what the client does: a connection, a failed handshake, a refused login."""
        table, slot = self.places[0]
        for column in self._plan.of_kind(kind):
            table.count(slot, column.number, column.time(now))


class Scope:
    """The clients that are counted together: with one length of prefix, at one frontend or at all."""

    def __init__(self, sources: Sources, plan: Plan, prefix: tuple[int, int], scope: bytes = EVERYWHERE) -> None:
        assert sources.own is not None
        self._own = sources.own
        self._others = sources.others
        self.plan = plan
        self._key = key_maker(scope, *prefix)
        self._columns = plan.of_kind("source-rate")

    def enter(self, source: bytes, now: float) -> Entry | None:
        """Count a new connection from an address in its rates; None if there is no place for it."""
        own, key = self._own, self._key(source)
        set = hash(key) % own.sets
        slot = own.enter(key, set, now)
        if slot < 0:
            return None
        rates, first = own.rates, slot * COLUMNS
        for column in self._columns:
            place = first + column.number
            rates[place] = counted(rates[place], now / column.seconds + column.shift)
        places = [(own, slot)]
        for table in self._others:
            there = table.find(key, set)
            if there >= 0:
                places.append((table, there))
        return Entry(self.plan, places)


@frozen
class SourceCounts:
    """What rules may ask of sources, by one reading of the configuration."""

    sources: Sources
    plan: Plan
    now: Now

    def count(self, measure: Measure) -> Callable[[bytes], float]:
        """Return the function that returns the number of `measure` for an address, for all frontends together."""
        find, now = self.sources.find, self.now
        key = key_maker(EVERYWHERE, *bits_of(measure, self.plan.prefixes[0]))
        if measure.counted == "source-connections":
            return lambda address: float(connections_of(find(key(address))))
        column = self.plan.find(measure.counted, measure.seconds)
        assert column is not None, f"the plan lacks {measure}"
        return lambda address: rate_of(find(key(address)), column.number, column.time(now()))
