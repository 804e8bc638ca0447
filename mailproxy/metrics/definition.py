"""A metric: its name, type, unit, labels, and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from attrs import frozen
from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from mailproxy.metrics.labels import Labels, LabelSets

Type = Literal["counter", "gauge", "histogram", "info"]

_SUFFIXES: dict[Type, str] = {"counter": "_total", "gauge": "", "histogram": "", "info": "_info"}
_UNITS = ("seconds", "bytes")


@frozen
class Definition:
    """One metric (a family of Prometheus)."""

    family: str
    """The name without the suffix of a type."""
    type: Type
    words: str
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name in queries; that of a histogram has ``_bucket``, ``_sum`` or ``_count`` after it."""
        return self.family + _SUFFIXES[self.type]

    @property
    def unit(self) -> str:
        """The base unit in the name; "" if it has none."""
        return next((unit for unit in _UNITS if self.family.endswith(f"_{unit}")), "")


class Family:
    """The samples of one metric, as they are collected (mutable)."""

    def __init__(self, definition: Definition, label_sets: LabelSets) -> None:
        self.metric = Metric(definition.family, definition.words, definition.type, definition.unit)
        """The metric with its samples, for prometheus-client."""
        self._name = definition.name
        self._labels = definition.labels
        self._find = label_sets.find
        self._samples = self.metric.samples

    def add(self, value: float, *labels: str) -> None:
        """Add a value with the values of its labels, in their order."""
        self._samples.append(Sample(self._name, self._find(self._labels, labels), value))

    def add_each(self, values: Iterable[tuple[str, float]], *labels: str) -> None:
        """Add a value for each value of the last label."""
        names, name, find, add = self._labels, self._name, self._find, self._samples.append
        for last, value in values:
            add(Sample(name, find(names, (*labels, last)), value))

    def add_histogram(self, bounds: tuple[str, ...], counts: Iterable[int], total: float, *labels: str) -> None:
        """Add the buckets of a histogram; each has its own count, and `bounds` as text, with ``+Inf`` last."""
        names, find, add = (*self._labels, "le"), self._find, self._samples.append
        bucket = f"{self._name}_bucket"
        count = 0
        for bound, own in zip(bounds, counts, strict=True):
            count += own
            add(Sample(bucket, find(names, (*labels, bound)), count))
        found: Labels = find(self._labels, labels)
        add(Sample(f"{self._name}_count", found, count))
        add(Sample(f"{self._name}_sum", found, total))
