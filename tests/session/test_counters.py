"""A frontend's counters in words."""

from mailproxy.session.counters import Counters


def test_only_what_has_happened_is_in_words() -> None:
    assert str(Counters(connections=3, refused=1)) == "3 connections, 1 refused"


def test_nothing_is_in_words_as_well() -> None:
    assert str(Counters()) == "no connections"
