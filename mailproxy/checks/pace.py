"""How fast the runs of all checks may begin."""

from __future__ import annotations

# Beginning a run costs 50 µs of CPU time, and the rest of it little more: this many delay a session by half a
# millisecond.
BURST = 8
GAP_SECONDS = 0.0001

# A hundred thousand probers wait this long if all are due at once; a longer wait means that the clock was set back.
LONGEST_WAIT_SECONDS = 10.0


class Pace:
    """How fast runs may begin: `BURST` at once, then one in each `GAP_SECONDS` (mutable; all probers share one)."""

    def __init__(self) -> None:
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Reserve the next place at the time `now` of a clock; return the seconds until then."""
        if self._next > now + LONGEST_WAIT_SECONDS:
            self._next = now
        place = max(self._next, now - (BURST - 1) * GAP_SECONDS)
        self._next = place + GAP_SECONDS
        return max(place - now, 0.0)
