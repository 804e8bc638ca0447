"""The metrics of bans, and of lists of networks."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.running import Running
from mailproxy.metrics import names
from mailproxy.metrics.definition import Family
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part


def collect(running: Running, label_sets: LabelSets) -> Iterator[Part]:
    """Yield how many bans are in effect, and how many networks the lists have."""
    bans, lists = Family(names.BANS, label_sets), Family(names.LIST_NETWORKS, label_sets)
    bans.add_each(running.bans.bans.counts.items())
    lists.add_each([(path, kept.networks.size) for path, kept in running.process_state.lists.known.items()])
    yield from (bans.metric, lists.metric)
