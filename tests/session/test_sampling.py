"""Which refusals of a flood are lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent

from mailproxy.session.sampling import INTERVAL_SECONDS, LINES_PER_SOURCE, MAX_LINES, MAX_SOURCES, Sampler


class Flood:
    """A sampler with its clock, and what it logs."""

    def __init__(self, events: Sequence[LogEvent]) -> None:
        self.clock = Clock()
        self.sampler = Sampler(self.clock)
        self.events = events

    def come(self, times: int, source: str = "192.0.2.1", reason: str = "banned") -> int:
        """Refuse a source several times; return how many are lines."""
        return sum(self.sampler.sample("imaps", source, reason) for _ in range(times))

    def sums(self) -> list[tuple[str, int, int]]:
        """End the interval; return reason, count and sources of each sum."""
        self.clock.advance(INTERVAL_SECONDS)
        return [(event["reason"], event["count"], event["sources"]) for event in self.events]


@pytest.fixture
def flood() -> Iterator[Flood]:
    with capturedLogs() as events:
        yield Flood(events)


def test_few_are_all_lines(flood: Flood) -> None:
    assert flood.come(LINES_PER_SOURCE) == LINES_PER_SOURCE
    assert flood.sums() == []


def test_more_of_one_source_are_a_sum(flood: Flood) -> None:
    assert flood.come(100) == LINES_PER_SOURCE
    assert flood.sums() == [("banned", 100 - LINES_PER_SOURCE, 1)]


def test_each_source_and_reason_has_lines_of_its_own(flood: Flood) -> None:
    flood.come(100)
    assert flood.come(LINES_PER_SOURCE, source="192.0.2.2") == LINES_PER_SOURCE
    assert flood.come(LINES_PER_SOURCE, reason="source-rate") == LINES_PER_SOURCE


def test_each_reason_has_a_sum_of_its_own(flood: Flood) -> None:
    for source in ("192.0.2.1", "192.0.2.2"):
        flood.come(10, source)
    flood.come(7, reason="source-rate")
    assert flood.sums() == [("banned", 10, 2), ("source-rate", 2, 1)]


def test_next_interval_begins_with_lines(flood: Flood) -> None:
    flood.come(100)
    flood.sums()
    assert flood.come(100) == LINES_PER_SOURCE


def test_quiet_time_after_a_flood_has_no_sum(flood: Flood) -> None:
    flood.come(100)
    flood.sums()
    flood.clock.advance(INTERVAL_SECONDS)
    assert len(flood.events) == 1
    assert not flood.clock.getDelayedCalls()


def test_flood_from_many_addresses_has_few_lines(flood: Flood) -> None:
    lines = sum(flood.come(1, f"2001:db8::{number:x}") for number in range(2 * MAX_SOURCES))
    assert lines == MAX_LINES
    assert flood.sums() == [("banned", 2 * MAX_SOURCES - MAX_LINES, MAX_SOURCES + 1)]


@pytest.mark.parametrize(("sources", "words"), [(1, "at least one address"), (2, "at least 2 addresses")])
def test_sum_has_the_sources_in_words(flood: Flood, sources: int, words: str) -> None:
    for number in range(sources):
        flood.come(LINES_PER_SOURCE + 1, f"192.0.2.{number}")
    flood.sums()
    (line,) = map(formatEvent, flood.events)
    assert f"{sources} more in 10 s, from {words}: banned" in line


def test_lines_of_all_frontends_have_one_limit(flood: Flood) -> None:
    taken = [flood.sampler.sample(f"imaps{number % 7}", f"::{number}", "banned") for number in range(2 * MAX_LINES)]
    assert sum(taken) == MAX_LINES
    flood.sums()
    assert flood.come(1) == 1


def test_sum_has_the_level_of_its_lines(flood: Flood) -> None:
    for _ in range(LINES_PER_SOURCE + 1):
        flood.sampler.sample("imaps", "192.0.2.1", "no header", is_warning=True)
    flood.come(LINES_PER_SOURCE + 1)
    flood.sums()
    assert [event["log_level"] for event in flood.events] == [LogLevel.warn, LogLevel.info]


def test_reasons_of_one_kind_share_their_lines_and_have_one_sum(flood: Flood) -> None:
    taken = [flood.sampler.sample("imaps", "192.0.2.1", f"{number} bytes", "no TLS") for number in range(100)]
    assert sum(taken) == LINES_PER_SOURCE
    assert flood.sums() == [("no TLS", 100 - LINES_PER_SOURCE, 1)]


def test_flush_writes_the_sums_so_far(flood: Flood) -> None:
    flood.come(100)
    flood.clock.advance(2.5)
    flood.sampler.flush()
    assert [(event["count"], event["seconds"]) for event in flood.events] == [(100 - LINES_PER_SOURCE, 2.5)]
    assert not flood.clock.getDelayedCalls()


def test_flush_without_refusals_writes_nothing(flood: Flood) -> None:
    flood.sampler.flush()
    assert not flood.events


def test_flush_begins_an_interval(flood: Flood) -> None:
    flood.come(100)
    flood.sampler.flush()
    assert flood.come(100) == LINES_PER_SOURCE
    assert flood.sums() == [("banned", 100 - LINES_PER_SOURCE, 1)] * 2
