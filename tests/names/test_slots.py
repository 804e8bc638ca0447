"""Which record sits where, as the answers change."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.names.record import Record, without_duplicates
from mailproxy.names.slots import seat
from tests.names.builders import record

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
