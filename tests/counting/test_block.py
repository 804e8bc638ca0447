"""The numbers of one thing in the pages of all processes."""

from __future__ import annotations

from mailproxy.counting.block import Block
from mailproxy.counting.page import new_numbers


def test_number_is_that_of_all_processes() -> None:
    pages = [new_numbers(3) for _ in range(2)]
    pages[0][1], pages[1][1], pages[1][2] = 2, 3, 4
    block = Block(pages[0], pages)
    assert block.sums() == [0, 5, 4]
    assert [block.sum(index) for index in range(3)] == [0, 5, 4]
