"""The metrics of bans, and of lists of networks."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.running import Running
from mailproxy.metrics import names
from mailproxy.metrics.definition import Family
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part


def collect(running: Running, label_sets: LabelSets) -> Iterator[Part]:
    """Yield the counts of bans, whether CrowdSec answers, how many networks lists have, and which lists are refused."""
    bans, failures, lists, refused = (
        Family(one, label_sets)
        for one in (names.BANS, names.CROWDSEC_FAILURES, names.LIST_NETWORKS, names.LIST_REFUSED)
    )
    if running.bans.crowdsec_failures is not None:
        failures.add(running.bans.crowdsec_failures)
    bans.add_each(running.bans.bans.counts.items())
    lists.add_each([(path, kept.networks.size) for path, kept in running.process_state.lists.known.items()])
    refused.add_each([(path, 1) for path in running.process_state.lists.refused])
    yield from (bans.metric, failures.metric, lists.metric, refused.metric)
