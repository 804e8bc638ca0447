"""The numbers of one thing, such as a frontend, in the pages of all processes."""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.counting.page import Numbers, new_numbers


class Block:
    """The same numbers in several pages: this process writes its own `numbers`, and `sums` reads all."""

    def __init__(self, numbers: Numbers, every: Sequence[Numbers]) -> None:
        """`every` has the numbers of all processes whose numbers count, `numbers` among them if they do."""
        self.numbers = numbers
        self._every = every

    @classmethod
    def alone(cls, length: int) -> Block:
        """Return a block that no other process has."""
        numbers = new_numbers(length)
        return cls(numbers, (numbers,))

    def sum(self, index: int) -> int:
        """Return one number, added up over all processes; all of a frontend's take a hundred times as long."""
        return sum(numbers[index] for numbers in self._every)

    def sums(self) -> list[int]:
        """Return each number, added up over all processes."""
        return [sum(each) for each in zip(*(numbers.tolist() for numbers in self._every), strict=True)]
