"""The metrics of the table of sources."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.running import Running
from mailproxy.metrics import names
from mailproxy.metrics.definition import Family
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part


def collect(running: Running, label_sets: LabelSets) -> Iterator[Part]:
    """Yield the size of the table, and what it had no room for; 0 while nothing needs a table."""
    sources = running.process_state.counts.known_sources
    for definition, value in (
        (names.SOURCES, 0 if sources is None else sources.size),
        (names.SOURCES_MAX, 0 if sources is None else sources.room),
        (names.SOURCES_EVICTED, 0 if sources is None else sources.evictions),
        (names.SOURCES_UNCOUNTED, 0 if sources is None else sources.overflows),
    ):
        family = Family(definition, label_sets)
        family.add(value)
        yield family.metric
