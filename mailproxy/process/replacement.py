"""When a worker is replaced: at once, or after a growing pause if it ends soon after its start again and again."""

from __future__ import annotations

from collections import Counter

# A worker that ends within this time after its start is replaced after a pause.
SHORT_LIFE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


class ShortLives:
    """The short lives of each worker in a row (mutable)."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def pause_after(self, number: int, lived: float) -> float:
        """Return the seconds until a worker that lived for `lived` seconds is replaced; the first time it is 0."""
        self._counts[number] = self._counts[number] + 1 if lived < SHORT_LIFE_SECONDS else 0
        if self._counts[number] < 2:
            return 0.0
        return min(FIRST_PAUSE_SECONDS * 2.0 ** (self._counts[number] - 2), LONGEST_PAUSE_SECONDS)
