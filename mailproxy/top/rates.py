"""Rates by the second, from the differences of counters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from attrs import frozen

from mailproxy.session.counters import UNSERVED
from mailproxy.top.sample import FRONTENDS, Row, Sample, number

WINDOW_SECONDS = 5.0
"""Rates are the average of this time: the service counts the bytes of live sessions so often."""

_COUNTERS = ("connections", "bytes_in", "bytes_out", *UNSERVED)


@frozen
class _Moment:
    at: float
    pid: object
    counters: Mapping[str, Mapping[str, float]]
    """By frontend."""


class Rates:
    """The counters of the last seconds (mutable)."""

    def __init__(self) -> None:
        self._moments: deque[_Moment] = deque()

    def take(self, sample: Sample) -> None:
        """Add the counters of a sample; those of another process are not compared with them."""
        moment = _Moment(sample.at, sample.info.get("pid"), dict(map(_counters, sample.of(FRONTENDS))))
        if self._moments and self._moments[-1].pid != moment.pid:
            self._moments.clear()
        if self._moments and self._moments[-1].at == moment.at:
            return  # the same counters: only other answers are new
        self._moments.append(moment)
        while len(self._moments) > 2 and self._moments[1].at <= moment.at - WINDOW_SECONDS:
            self._moments.popleft()

    def forget(self) -> None:
        """Begin again: the service was away."""
        self._moments.clear()

    def of(self, frontend: object, *counters: str) -> float | None:
        """Return the sum of some counters' rates for a frontend; None while there is nothing to compare."""
        if len(self._moments) < 2:
            return None
        first, last = self._moments[0], self._moments[-1]
        then, now = first.counters.get(str(frontend)), last.counters.get(str(frontend))
        seconds = last.at - first.at
        if then is None or now is None or seconds <= 0:
            return 0.0
        return max(sum(now[one] - then[one] for one in counters), 0.0) / seconds

    def total(self, *counters: str) -> float | None:
        """Return the same for all frontends."""
        if len(self._moments) < 2:
            return None
        return sum(self.of(name, *counters) or 0.0 for name in self._moments[-1].counters)


def _counters(row: Row) -> tuple[str, Mapping[str, float]]:
    return str(row.get("frontend")), {name: number(row, name) for name in _COUNTERS}
