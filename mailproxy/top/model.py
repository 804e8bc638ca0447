"""What is known of the service: the latest answers, rates, the newest events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from mailproxy.top.rates import Rates
from mailproxy.top.sample import Row, Sample

MAX_EVENTS = 300
"""The newest events that are kept."""


class Model:
    """Everything that views show (mutable)."""

    def __init__(self) -> None:
        self.sample = Sample(0.0, {})
        self.rates = Rates()
        self.trouble = ""
        """Why the service does not answer now; empty if it does."""
        self._events: deque[Row] = deque(maxlen=MAX_EVENTS)

    @property
    def events(self) -> Sequence[Row]:
        """The events, the newest one first."""
        return tuple(reversed(self._events))

    def take(self, sample: Sample) -> None:
        """Take new answers."""
        if self.trouble:
            self.rates.forget()
        self.trouble = ""
        self.sample = sample
        self.rates.take(sample)

    def fail(self, why: str) -> None:
        """Note that the service does not answer; the last answers stay."""
        self.trouble = why

    def add_events(self, events: Iterable[Row]) -> None:
        """Take events, but not those for debugging."""
        self._events.extend(event for event in events if event.get("level") != "debug")
