"""Places of numbers in pages."""

import pytest

from mailproxy.counting.page import NUMBERS_PER_PAGE
from mailproxy.counting.places import NoRoomError, Places


def test_name_has_one_place_for_ever() -> None:
    places = Places()
    places.add({"one": 1, "two": 2})
    first = places["one"]
    places.add({"two": 2, "three": 1, "one": 1})
    assert places["one"] == first
    taken = [place for name in ("beat", "one", "two", "three") for place in range(places.used)[places.block(name)]]
    assert sorted(taken) == list(range(5))


def test_places_that_are_reported_are_the_same() -> None:
    places, other = Places(), Places()
    places.add({"one": 1, "two": 1})
    other.take(places.copy())
    assert other["two"] == places["two"]


def test_full_pages_are_reported_and_nothing_changes() -> None:
    places = Places()
    with pytest.raises(NoRoomError, match="restart"):
        places.add({"one": 1, "others": NUMBERS_PER_PAGE - 1})
    assert places.used == 1
