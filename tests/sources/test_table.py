"""The table of one process, compared with a simple model."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mailproxy.sources.key import EVERYWHERE, KEY_BYTES, key_maker
from mailproxy.sources.table import COLUMNS, NOWHERE, WAYS, Table
from tests.examples import examples

MAKE = key_maker(EVERYWHERE, 32, 64)


def key(number: int) -> bytes:
    return MAKE(number.to_bytes(4))


def one_set() -> Table:
    table = Table(1)
    assert table.sets == 1
    return table


def enter(table: Table, number: int, now: float = 0.0) -> int:
    return table.enter(key(number), table.set_of(key(number)), now)


def find(table: Table, number: int) -> int:
    return table.find(key(number), table.set_of(key(number)))


def test_source_keeps_its_entry() -> None:
    table = Table(1000)
    slot = enter(table, 7)
    assert enter(table, 7, 1.0) == find(table, 7) == slot
    assert table.size == 1


def test_unknown_source_is_nowhere() -> None:
    assert find(Table(1000), 7) == NOWHERE


def test_oldest_without_connections_leaves_first() -> None:
    table = one_set()
    for number in range(WAYS):
        enter(table, number, now=float(number))
    table.live[find(table, 0)] = 1
    enter(table, 1, now=100.0)
    enter(table, 1000, now=101.0)
    assert [number for number in range(WAYS) if find(table, number) == NOWHERE] == [2]
    assert (table.size, table.evictions) == (WAYS, 1)


def test_entry_of_another_source_begins_without_rates() -> None:
    table = one_set()
    for number in range(WAYS):
        slot = enter(table, number, now=float(number))
        table.count(slot, 3, 5.0)
    slot = enter(table, 1000, now=100.0)
    assert table.rates[slot * COLUMNS : (slot + 1) * COLUMNS].tolist() == [0] * COLUMNS


def test_source_without_place_among_live_ones_is_not_counted() -> None:
    table = one_set()
    for number in range(WAYS):
        table.live[enter(table, number)] = 1
    assert enter(table, 1000) == NOWHERE
    assert table.overflows == 1


def test_connections_of_a_dead_process_are_given_back_and_rates_stay() -> None:
    table = Table(1000)
    slot = enter(table, 7)
    table.live[slot] = 3
    table.count(slot, 0, 5.0)
    table.give_back()
    assert table.live[slot] == 0
    assert table.rates[slot * COLUMNS]


def test_rates_are_forgotten_and_connections_stay() -> None:
    table = Table(1000)
    slot, other = enter(table, 7), enter(table, 8)
    table.live[slot] = 3
    for counted in (slot, other):
        table.count(counted, 0, 5.0)
        table.count(counted, COLUMNS - 1, 5.0)
    table.forget(key(7))
    table.forget(key(9))  # it has no entry
    assert table.rates[slot * COLUMNS : (slot + 1) * COLUMNS].tolist() == [0] * COLUMNS
    assert table.live[slot] == 3
    assert table.rates[other * COLUMNS]


def test_parts_of_two_keys_are_no_key() -> None:
    """A key whose bytes are the end of one key and the beginning of the next one is not there."""
    table = one_set()
    ones, twos = bytes([1]) * KEY_BYTES, bytes([2]) * KEY_BYTES
    for made in (ones, twos):
        table.enter(made, 0, 0.0)
    parts = ones[:5] + twos[5:]
    assert table.find(parts, 0) == NOWHERE
    assert table.enter(parts, 0, 0.0) == table.enter(parts, 0, 1.0) == table.find(parts, 0) == 2


def test_every_entry_is_listed() -> None:
    table = Table(1000)
    slots = {key(number): enter(table, number) for number in range(500)}
    assert dict(entry for entry in table.entries() if entry is not None) == slots


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
        self.slots: dict[int, int] = {}

    @rule(number=st.integers(0, 2 * WAYS), step=st.integers(1, 10))
    def come(self, number: int, step: int) -> None:
        self.now += step
        slot = enter(self.table, number, self.now)
        if number not in self.seen and len(self.seen) == WAYS:
            idle = [one for one in self.seen if not self.live[one]]
            if not idle:
                assert slot == NOWHERE
                return
            oldest = min(idle, key=lambda one: self.seen[one])
            del self.seen[oldest], self.rates[oldest], self.slots[oldest]
        self.seen[number] = self.now
        self.slots[number] = slot
        self.live[number] += 1
        self.rates[number] += 1
        self.table.live[slot] += 1
        self.table.count(slot, 0, 1.0)

    @precondition(lambda self: self.live.total())
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.live.elements())))
        self.live[number] -= 1
        self.table.live[self.slots[number]] -= 1

    @rule()
    def die(self) -> None:
        self.table.give_back()
        self.live.clear()

    @invariant()
    def table_says_the_same(self) -> None:
        assert self.table.size == len(self.seen)
        for number in range(2 * WAYS + 1):
            slot = find(self.table, number)
            assert (slot == NOWHERE) == (number not in self.seen)
            if slot != NOWHERE:
                assert self.table.live[slot] == self.live[number]
                assert self.table.rates[slot * COLUMNS] & 0xFFFFF == self.rates[number]


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = examples(30, stateful_step_count=120)


@pytest.mark.parametrize("size", [1, 1000, 123_457])
def test_size_is_at_least_what_is_asked_for(size: int) -> None:
    table = Table(size)
    assert table.sets * WAYS >= size
