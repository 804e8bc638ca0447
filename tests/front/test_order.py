"""Sessions of several frontends in the order of their numbers, some at a time."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from mailproxy.front.order import newest_before, oldest_after


@frozen
class Numbered:
    """A session, as far as its order matters."""

    number: int


def frontend(*numbers: int) -> dict[Any, None]:
    return {Numbered(number): None for number in numbers}


FRONTENDS = [frontend(1, 4, 5, 9), frontend(), frontend(2, 3, 8)]


@pytest.mark.parametrize(
    ("number", "most", "numbers"),
    [(None, 3, [9, 8, 5]), (5, 3, [4, 3, 2]), (4, 10, [3, 2, 1]), (6, 1, [5]), (1, 3, []), (100, 2, [9, 8])],
)
def test_newest_come_first(number: int | None, most: int, numbers: list[int]) -> None:
    assert [session.number for session in newest_before(number, most, FRONTENDS)] == numbers


@pytest.mark.parametrize(
    ("number", "most", "numbers"),
    [(-1, 3, [1, 2, 3]), (3, 3, [4, 5, 8]), (5, 10, [8, 9]), (6, 1, [8]), (9, 3, [])],
)
def test_oldest_come_first(number: int, most: int, numbers: list[int]) -> None:
    assert [session.number for session in oldest_after(number, most, FRONTENDS)] == numbers
