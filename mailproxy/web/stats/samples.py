"""The totals of the last minutes: one sample a second, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall

from mailproxy.control.running import Running
from mailproxy.session.counters import ERRORS, REFUSALS
from mailproxy.session.numbers import BYTES_IN, BYTES_OUT, COUNTERS

SAMPLES = 300
"""Five minutes: what a person on call wants to see, in 30 KB."""

SECONDS = 1.0

WINDOW = 5
"""The seconds that rates are the average of: the bytes of live sessions are counted so often."""

SURGE_SECONDS = 10
"""The seconds that the refusals of each frontend are the average of."""

_REFUSALS = [COUNTERS[name] for name in REFUSALS]
_ERRORS = [COUNTERS[name] for name in ERRORS]


@frozen
class Sample:
    """The totals at one moment, and the rates of the last seconds, each by the second."""

    sessions: int = 0
    queued: int = 0
    connections: float = 0.0
    errors: float = 0.0
    refusals: float = 0.0
    bytes_in: float = 0.0
    bytes_out: float = 0.0


@frozen
class _Sums:
    at: float
    connections: int
    errors: int
    refusals: int
    bytes_in: int
    bytes_out: int


class Samples:
    """Takes the samples, from `start` to `stop`."""

    def __init__(self, running: Running, reactor: Any) -> None:
        self._running = running
        self._reactor = reactor
        self._taken: deque[Sample] = deque(maxlen=SAMPLES)
        self._before: deque[_Sums] = deque(maxlen=WINDOW)
        self._refusals: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=SURGE_SECONDS + 1)
        self._call: IDelayedCall | None = None

    @property
    def taken(self) -> tuple[Sample, ...]:
        """The samples, the newest one last."""
        return tuple(self._taken)

    @property
    def refusals(self) -> Mapping[str, float]:
        """The refusals of each frontend by the second, over `SURGE_SECONDS`."""
        if not self._refusals:
            return {}
        (then, previous), (now, latest) = self._refusals[0], self._refusals[-1]
        seconds = max(now - then, 1.0)
        # A frontend that a reload has added begins at 0.
        return {name: max(count - previous.get(name, 0), 0) / seconds for name, count in latest.items()}

    def start(self) -> None:
        """Begin."""
        if self._call is None:
            self._take()

    def stop(self) -> None:
        """Take no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _take(self) -> None:
        self._call = self._reactor.callLater(SECONDS, self._take)
        sums = self._sums()
        before = self._before[0] if self._before else None
        self._before.append(sums)
        if before is None:
            return
        seconds = max(sums.at - before.at, 0.001)

        def rate(now: int, then: int) -> float:
            # A frontend that a reload removes takes its numbers along.
            return max(now - then, 0) / seconds

        self._taken.append(
            Sample(
                self._running.process_state.total.sessions,
                sum(backend.pool.queued for backend in self._running.generation.backends.values()),
                rate(sums.connections, before.connections),
                rate(sums.errors, before.errors),
                rate(sums.refusals, before.refusals),
                rate(sums.bytes_in, before.bytes_in),
                rate(sums.bytes_out, before.bytes_out),
            )
        )

    def _sums(self) -> _Sums:
        state = self._running.process_state
        named = {one.name: state.block(one.name) for one in self._running.generation.frontends}
        blocks = named.values()
        refusals = {name: sum(map(block.sum, _REFUSALS)) for name, block in named.items()}
        self._refusals.append((self._reactor.seconds(), refusals))
        return _Sums(
            self._reactor.seconds(),
            sum(block.sum(COUNTERS["connections"]) for block in blocks),
            sum(block.sum(index) for block in blocks for index in _ERRORS),
            sum(refusals.values()),
            sum(block.sum(BYTES_IN) for block in blocks),
            sum(block.sum(BYTES_OUT) for block in blocks),
        )
