"""What the threads that talk to the service leave for the one that draws; bounded, should that not come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock

from mailproxy.top.model import MAX_EVENTS, Model
from mailproxy.top.sample import Row, Sample


class Mailbox:
    """The latest sample or trouble, and the newest events; for several threads (mutable)."""

    def __init__(self, ring: Callable[[], object]) -> None:
        """`ring` is called, in any thread, when there is a sample or trouble; events wait for the next one."""
        self._ring = ring
        self._lock = Lock()
        self._sample: Sample | None = None
        self._trouble = ""
        self._events: deque[Row] = deque(maxlen=MAX_EVENTS)

    def put(self, sample: Sample) -> None:
        """Leave new answers."""
        with self._lock:
            self._sample, self._trouble = sample, ""
        self._ring()

    def fail(self, why: str) -> None:
        """Leave the reason why there are no answers."""
        with self._lock:
            self._sample, self._trouble = None, why
        self._ring()

    def add_event(self, event: Row) -> None:
        """Leave an event."""
        with self._lock:
            self._events.append(event)

    def deliver(self, model: Model) -> None:
        """Give everything to a model."""
        events, sample, trouble = self._take()
        model.add_events(events)
        if sample is not None:
            model.take(sample)
        elif trouble:
            model.fail(trouble)

    def _take(self) -> tuple[Sequence[Row], Sample | None, str]:
        with self._lock:
            events, sample, trouble = tuple(self._events), self._sample, self._trouble
            self._events.clear()
            self._sample, self._trouble = None, ""
        return events, sample, trouble
