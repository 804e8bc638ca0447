"""The numbers of one thing, such as a frontend, in the pages of all processes."""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.counting.page import Words, no_words


class Block:
    """The same words in several pages: this process writes its own `words`, and `sums` reads all."""

    def __init__(self, words: Words, every: Sequence[Words]) -> None:
        """`every` has the words of all processes whose numbers count, `words` among them if they do."""
        self.words = words
        self._every = every

    @classmethod
    def alone(cls, length: int) -> Block:
        """Return a block that no other process has."""
        words = no_words(length)
        return cls(words, (words,))

    def sum(self, index: int) -> int:
        """Return one number, added up over all processes; all of a frontend's take a hundred times as long."""
        return sum(words[index] for words in self._every)

    def sums(self) -> list[int]:
        """Return each number, added up over all processes."""
        return [sum(numbers) for numbers in zip(*(words.tolist() for words in self._every), strict=True)]
