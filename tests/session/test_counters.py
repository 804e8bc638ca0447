"""A frontend's counters in words."""

from typing import get_args

from attrs import fields

from mailproxy.session.counters import UNSERVED, Counters
from mailproxy.session.termination import Counter

SERVED = {"connections", "headers", "sessions"}
"""Those of clients that nothing has gone wrong for."""


def test_every_counter_of_clients_that_are_not_served_has_words() -> None:
    assert set(UNSERVED) == {field.name for field in fields(Counters)} - SERVED


def test_every_counter_of_endings_is_of_clients_that_are_not_served() -> None:
    assert set(UNSERVED) == set(get_args(Counter)) - {""}


def test_only_what_has_happened_is_in_words() -> None:
    assert str(Counters(connections=3, refused=1)) == "3 connections, 1 refused"


def test_nothing_is_in_words_as_well() -> None:
    assert str(Counters()) == "no connections"
