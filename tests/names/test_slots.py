"""Which record sits where, as the answers change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from mailproxy.config import InetServer, NamedServer, Server, ServerAddress, SrvServer
from mailproxy.names.record import Record, without_duplicates
from mailproxy.names.slots import SlotFiller, seat
from tests.names.builders import NAME, record

ONE, TWO, THREE = record("192.0.2.1"), record("192.0.2.2"), record("192.0.2.3")

hosts = st.integers(1, 12).map(lambda n: f"192.0.2.{n}")
answers = st.lists(st.builds(record, hosts, st.sampled_from([143, 10143]), st.integers(1, 3)), max_size=12)


def test_records_take_the_slots_in_their_order() -> None:
    assert seat((None, None, None), [TWO, ONE]) == ((TWO, ONE, None), ())


def test_record_stays_where_it_is() -> None:
    assert seat((ONE, TWO), [TWO, ONE]) == ((ONE, TWO), ())


def test_vanished_record_leaves_its_slot() -> None:
    assert seat((ONE, TWO), [TWO]) == ((None, TWO), ())


def test_new_record_takes_the_first_free_slot() -> None:
    assert seat((None, TWO, None), [TWO, THREE]) == ((THREE, TWO, None), ())


def test_new_record_may_follow_one_that_has_just_vanished() -> None:
    assert seat((ONE, TWO), [TWO, THREE]) == ((THREE, TWO), ())


def test_records_beyond_the_slots_are_left_over() -> None:
    assert seat((None, None), [ONE, TWO, THREE]) == ((ONE, TWO), (THREE,))


def test_record_left_over_comes_in_when_there_is_room() -> None:
    assert seat((ONE, TWO), [TWO, THREE]) == ((THREE, TWO), ())


def test_record_of_one_name_is_kept_while_it_is_in_the_answer() -> None:
    assert seat((TWO,), [ONE, TWO]) == ((TWO,), (ONE,))


def test_record_of_one_name_is_replaced_by_the_first_of_the_answer() -> None:
    assert seat((TWO,), [THREE, ONE]) == ((THREE,), (ONE,))


def test_same_host_and_port_is_seated_once() -> None:
    assert seat((None, None), [ONE, record("192.0.2.1", weight=5)]) == ((ONE, None), ())


def test_same_host_on_another_port_is_another_server() -> None:
    first, second = record("192.0.2.1", 143), record("192.0.2.1", 10143)
    assert seat((None, None), [first, second]) == ((first, second), ())


def test_new_weight_is_taken_in_place() -> None:
    heavier = record("192.0.2.2", weight=5)
    assert seat((ONE, TWO), [heavier, ONE]) == ((ONE, heavier), ())


@given(st.integers(1, 6), st.lists(answers, min_size=1, max_size=6))
def test_slots_have_as_much_of_the_answer_as_fits(count: int, series: list[list[Record]]) -> None:
    slots: tuple[Record | None, ...] = (None,) * count
    for answer in series:
        wanted = without_duplicates(answer)
        slots, rest = seat(slots, answer)
        seated = [record for record in slots if record is not None]
        assert len(slots) == count
        assert Counter([*seated, *rest]) == Counter(wanted)
        assert not rest or len(seated) == count


@given(st.integers(1, 6), answers, answers)
def test_no_record_that_stays_moves(count: int, before: list[Record], after: list[Record]) -> None:
    old, _ = seat((None,) * count, before)
    new, _ = seat(old, after)
    places = {record.place for record in after}
    for was, now in zip(old, new, strict=True):
        if was is not None and was.place in places:
            assert now is not None
            assert now.place == was.place


@given(st.integers(1, 6), answers)
def test_same_answer_changes_nothing(count: int, answer: list[Record]) -> None:
    slots, rest = seat((None,) * count, answer)
    assert seat(slots, answer) == (slots, rest)


# Slots that follow a name, with answers that a test gives.


class Followed:
    """Names that a test resolves, and where their records went."""

    def __init__(self, events: Any) -> None:
        self.events = events
        self.placed: list[tuple[int, Record | None]] = []
        self.is_stopped = False

    def follow(self, address: Any, prefer: Any, changed: Any) -> Followed:
        self.wanted = (address, prefer)
        self.answer = changed
        return self

    def stop(self) -> None:
        self.is_stopped = True

    def fill(self, address: ServerAddress, count: int = 1) -> SlotFiller:
        server = Server(name="d", address=address, count=count, resolve_prefer="ipv4")
        return SlotFiller(self, "backend dovecot, server d", server, lambda *placed: self.placed.append(placed))

    def changes(self, *answer: Record) -> list[tuple[int, Record | None]]:
        self.answer(answer)
        placed, self.placed = self.placed, []
        return placed

    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]


@pytest.fixture
def names() -> Iterator[Followed]:
    with capturedLogs() as events:
        yield Followed(events)


def test_server_is_followed_as_it_is_configured(names: Followed) -> None:
    names.fill(NamedServer(NAME, 143))
    assert names.wanted == (NamedServer(NAME, 143), "ipv4")


def test_server_has_the_first_address_until_that_vanishes(names: Followed) -> None:
    names.fill(NamedServer(NAME))
    assert names.changes(ONE, TWO) == [(0, ONE)]
    assert names.changes(TWO, ONE) == []
    assert names.changes(THREE, TWO) == [(0, THREE)]


def test_name_without_addresses_empties_the_slots(names: Followed) -> None:
    names.fill(NamedServer(NAME), 2)
    names.changes(ONE, TWO)
    assert names.changes() == [(0, None), (1, None)]


def test_template_has_an_address_in_each_slot(names: Followed) -> None:
    fill = names.fill(NamedServer(NAME), 3)
    assert names.changes(ONE, TWO) == [(0, ONE), (1, TWO)]
    assert names.changes(TWO, THREE) == [(0, THREE)]
    assert fill.slots == (THREE, TWO, None)


def test_new_weight_is_placed_again(names: Followed) -> None:
    names.fill(SrvServer(NAME), 2)
    names.changes(ONE, TWO)
    heavier = record("192.0.2.2", weight=9)
    assert names.changes(ONE, heavier) == [(1, heavier)]


def test_addresses_without_a_slot_are_logged_once(names: Followed) -> None:
    names.fill(NamedServer(NAME), 2)
    names.changes(ONE, TWO, THREE)
    names.changes(TWO, ONE, THREE)
    assert names.lines() == [
        f"backend dovecot, server d: {NAME} has more addresses than the 2 slots; without a slot: 192.0.2.3"
    ]


def test_addresses_without_a_slot_are_logged_again_after_all_had_one(names: Followed) -> None:
    names.fill(NamedServer(NAME), 2)
    names.changes(ONE, TWO, THREE)
    names.changes(ONE)
    names.changes(ONE, TWO, THREE)
    assert len(names.lines()) == 2


def test_one_server_of_many_addresses_is_as_it_should_be(names: Followed) -> None:
    names.fill(NamedServer(NAME))
    names.changes(ONE, TWO, THREE)
    assert names.lines() == []


def test_service_in_one_slot_is_a_template(names: Followed) -> None:
    names.fill(SrvServer(NAME))
    names.changes(ONE, TWO)
    assert len(names.lines()) == 1


def test_stop_leaves_the_slots(names: Followed) -> None:
    fill = names.fill(NamedServer(NAME))
    names.changes(ONE)
    fill.stop()
    assert names.is_stopped
    assert fill.slots == (ONE,)


def test_server_with_an_address_has_nothing_to_follow(names: Followed) -> None:
    with pytest.raises(TypeError, match=r"192\.0\.2\.1:143 is no name"):
        names.fill(InetServer(ONE.host, 143))
