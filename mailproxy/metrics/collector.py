"""Collects all metrics of a running service, in its main process."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from mailproxy.control.running import Running
from mailproxy.front.generation import Generation
from mailproxy.metrics import bans, certificates, frontends, servers, service, sources
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part


class ServiceCollector(Collector):
    """The collector of a service, for prometheus-client, or for `mailproxy.metrics.exposition` in small parts."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._label_sets = LabelSets()
        self._generation: Generation | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield each metric."""
        return (metric for metric in self.parts() if metric is not None)

    def parts(self) -> Iterator[Part]:
        """Yield each metric, and None for pauses; each step takes a few milliseconds at most."""
        running = self._running
        if running.generation is not self._generation:
            self._generation = running.generation
            self._label_sets.clear()
        for part in (service, frontends, servers, bans, sources, certificates):
            yield from part.collect(running, self._label_sets)
