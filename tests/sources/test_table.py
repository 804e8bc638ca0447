"""The table of one process, compared with a simple model."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mailproxy.sources.key import EVERYWHERE, key_maker
from mailproxy.sources.plan import Column
from mailproxy.sources.sources import rate_of
from mailproxy.sources.table import COLUMNS, LIVE, NOWHERE, WAYS, Table
from mailproxy.sources.window import count
from tests.examples import examples

MAKE = key_maker(EVERYWHERE, 32, 64)


def key(number: int) -> bytes:
    return MAKE(number.to_bytes(4))


def one_set() -> Table:
    table = Table(1)
    assert table.sets == 1
    return table


def enter(table: Table, number: int, now: float = 0.0) -> int:
    return table.enter(key(number), now)


def find(table: Table, number: int) -> int:
    return table.find(key(number))


COLUMN = [Column(number, "source-rate", 1.0) for number in range(COLUMNS)]
NOW = 5.0


def count_in(table: Table, place: int, column: int) -> None:
    """Count an event of an entry's rate."""
    count(table.numbers, place + COLUMN[column].place, NOW)


def rates(table: Table, place: int) -> list[float]:
    """Return all rates of an entry."""
    return [rate_of([(table, place)], column, NOW) for column in COLUMN]


def test_source_keeps_its_entry() -> None:
    table = Table(1000)
    place = enter(table, 7)
    assert enter(table, 7, 1.0) == find(table, 7) == place
    assert table.size == 1


def test_unknown_source_is_nowhere() -> None:
    assert find(Table(1000), 7) == NOWHERE


def test_oldest_without_connections_leaves_first() -> None:
    table = one_set()
    for number in range(WAYS):
        enter(table, number, now=float(number))
    table.numbers[find(table, 0) + LIVE] = 1
    enter(table, 1, now=100.0)
    enter(table, 1000, now=101.0)
    assert [number for number in range(WAYS) if find(table, number) == NOWHERE] == [2]
    assert (table.size, table.evictions) == (WAYS, 1)


def test_entry_of_another_source_begins_without_rates() -> None:
    table = one_set()
    for number in range(WAYS):
        place = enter(table, number, now=float(number))
        count_in(table, place, 3)
    place = enter(table, 1000, now=100.0)
    assert rates(table, place) == [0.0] * COLUMNS


def test_source_without_place_among_live_ones_is_not_counted() -> None:
    table = one_set()
    for number in range(WAYS):
        table.numbers[enter(table, number) + LIVE] = 1
    assert enter(table, 1000) == NOWHERE
    assert table.overflows == 1


def test_connections_of_a_dead_process_are_given_back_and_rates_stay() -> None:
    table = Table(1000)
    place = enter(table, 7)
    table.numbers[place + LIVE] = 3
    count_in(table, place, 0)
    table.give_back()
    assert table.numbers[place + LIVE] == 0
    assert rates(table, place)[0] == 1.0


def test_rates_are_forgotten_and_connections_stay() -> None:
    table = Table(1000)
    place, other = enter(table, 7), enter(table, 8)
    table.numbers[place + LIVE] = 3
    for counted in (place, other):
        count_in(table, counted, 0)
        count_in(table, counted, COLUMNS - 1)
    table.forget(key(7))
    table.forget(key(9))  # it has no entry
    assert rates(table, place) == [0.0] * COLUMNS
    assert table.numbers[place + LIVE] == 3
    assert rates(table, other) == [1.0, *[0.0] * (COLUMNS - 2), 1.0]


def test_keys_that_share_a_tag_and_a_place_are_apart() -> None:
    table = one_set()
    sharing: dict[tuple[int, int], list[int]] = {}
    for number in range(100_000):
        digest = hash(key(number))
        sharing.setdefault((digest % WAYS, digest >> 32 & 0xFF), []).append(number)
    *alike, other = max(sharing.values(), key=len)[: WAYS + 1]
    assert len(alike) > 1
    places = [enter(table, number) for number in alike]
    assert len(set(places)) == len(places)
    assert [find(table, number) for number in alike] == places
    assert find(table, other) == NOWHERE


def test_every_entry_is_listed() -> None:
    table = Table(1000)
    places = {key(number): enter(table, number) for number in range(500)}
    assert dict(entry for entry in table.entries() if entry is not None) == places


def test_so_many_sources_find_a_place() -> None:
    table = Table(10_000)
    for number in range(10_000):
        enter(table, number)
    assert table.size >= 9_950


class AgainstModel(RuleBasedStateMachine):
    """Clients of a few sources come and go, in a table of one set."""

    def __init__(self) -> None:
        super().__init__()
        self.table = one_set()
        self.now = 0.0
        self.live: Counter[int] = Counter()
        self.seen: dict[int, float] = {}
        self.rates: Counter[int] = Counter()
        self.places: dict[int, int] = {}

    @rule(number=st.integers(0, 2 * WAYS), step=st.integers(1, 10))
    def come(self, number: int, step: int) -> None:
        self.now += step
        place = enter(self.table, number, self.now)
        if number not in self.seen and len(self.seen) == WAYS:
            idle = [one for one in self.seen if not self.live[one]]
            if not idle:
                assert place == NOWHERE
                return
            oldest = min(idle, key=lambda one: self.seen[one])
            del self.seen[oldest], self.rates[oldest], self.places[oldest]
        self.seen[number] = self.now
        self.places[number] = place
        self.live[number] += 1
        self.rates[number] += 1
        self.table.numbers[place + LIVE] += 1
        count_in(self.table, place, 0)

    @precondition(lambda self: self.live.total())
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.live.elements())))
        self.live[number] -= 1
        self.table.numbers[self.places[number] + LIVE] -= 1

    @rule()
    def die(self) -> None:
        self.table.give_back()
        self.live.clear()

    @invariant()
    def table_says_the_same(self) -> None:
        assert self.table.size == len(self.seen)
        for number in range(2 * WAYS + 1):
            place = find(self.table, number)
            assert (place == NOWHERE) == (number not in self.seen)
            if place != NOWHERE:
                assert self.table.numbers[place + LIVE] == self.live[number]
                assert rates(self.table, place)[0] == self.rates[number]


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = examples(30, stateful_step_count=120)


@pytest.mark.parametrize("size", [1, 1000, 123_457])
def test_size_is_at_least_what_is_asked_for(size: int) -> None:
    table = Table(size)
    assert table.sets * WAYS >= size
