"""
Sampling of refusals in the log: under a flood, the first ones of each source are lines, and the others a sum.

So a flood can neither fill a disk nor hide who sends it.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

INTERVAL_SECONDS = 10.0

LINES_PER_SOURCE = 5
"""The lines for each source and kind in an interval: fail2ban's `maxretry` is seldom more."""

MAX_LINES = 200
"""The lines of all sources in an interval: 1.7 million a day, 700 MB if each has 400 bytes."""

MAX_SOURCES = 1000
"""The most sources that a sum remembers, which limits the memory."""


@define
class _Sum:
    count: int = 0
    sources: set[str] = field(factory=set)
    """The addresses in it, as far as they are remembered."""
    has_others: bool = False
    is_warning: bool = False


class Sampler:
    """Chooses the refusals that are lines of the log, and writes the sums of the others."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, str, str], int] = {}
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._lines = 0
        self._call: IDelayedCall | None = None
        """The end of the interval."""

    def sample(self, frontend: str, source: str, reason: str, kind: str = "", *, is_warning: bool = False) -> bool:
        """
        Count a refusal, and return whether it is a line; if not, it is in the sum of its `kind`, by default its reason.

        There may be any number of reasons, because a client chooses the numbers in them, but few kinds: the lines of a
        kind are counted together. The sum has the level of its lines.
        """
        seen, kind = self._seen, kind or reason
        if self._call is None:
            self._call = self._clock.callLater(INTERVAL_SECONDS, self._end)
        key = frontend, source, kind
        count = seen.get(key, 0)
        if count < LINES_PER_SOURCE and self._lines < MAX_LINES:
            seen[key] = count + 1
            self._lines += 1
            return True
        found = self._sums.get((frontend, kind))
        if found is None:
            found = self._sums[frontend, kind] = _Sum(is_warning=is_warning)
        found.count += 1
        if len(found.sources) < MAX_SOURCES:
            found.sources.add(source)
        elif source not in found.sources:
            found.has_others = True
        return False

    def flush(self) -> None:
        """End the interval early: write the sums so far, because the process ends."""
        if self._call is not None:
            seconds = INTERVAL_SECONDS - (self._call.getTime() - self._clock.seconds())
            self._call.cancel()
            self._end(round(seconds, 1))

    def _end(self, seconds: float = INTERVAL_SECONDS) -> None:
        """End an interval of this length: write its sums."""
        self._call = None
        sums, self._sums, self._seen, self._lines = self._sums, {}, {}, 0
        for (frontend, kind), found in sums.items():
            sources = len(found.sources) + found.has_others
            self._log.emit(
                LogLevel.warn if found.is_warning else LogLevel.info,
                "frontend {frontend}: {count} more in {seconds:g} s, from {log_sources}: {reason}",
                event="refusals",
                frontend=frontend,
                reason=kind,
                count=found.count,
                sources=sources,
                log_sources="at least one address" if sources == 1 else f"at least {sources} addresses",
                seconds=seconds,
            )
