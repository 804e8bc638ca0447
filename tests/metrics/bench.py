"""What a service exports, as a client of Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from mailproxy.metrics.collector import ServiceCollector
from mailproxy.metrics.exposition import OPEN_METRICS, PROMETHEUS, write

Key = tuple[str, frozenset[tuple[str, str]]]
"""A sample's name and labels."""


class Given(Collector):
    """A collector of given metrics."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def text_of(metrics: Iterable[Metric | None]) -> str:
    return "".join(write(metrics, PROMETHEUS))


def open_metrics_of(metrics: Iterable[Metric | None]) -> str:
    return "".join(write(metrics, OPEN_METRICS))


def parsed(text: str) -> list[Metric]:
    return list(parse_text(text))


def parsed_open_metrics(text: str) -> list[Metric]:
    return list(parse_open_metrics(text))  # type: ignore[no-untyped-call]


def samples(metrics: Iterable[Metric]) -> Mapping[Key, float]:
    """The values by name and labels; none is there twice."""
    found: dict[Key, float] = {}
    for metric in metrics:
        for sample in metric.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Mapping[Key, float], name: str, **labels: str) -> float:
    """The only value with at least these labels."""
    wanted = labels.items()
    (only,) = [value for (other, has), value in found.items() if other == name and wanted <= set(has)]
    return only


def collected(service: Any) -> Mapping[Key, float]:
    """What a service exports now."""
    return samples(parsed(text_of(ServiceCollector(service).parts())))
