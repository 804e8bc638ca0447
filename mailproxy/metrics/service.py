"""The metrics of the service as a whole, and of its processes."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator

from OpenSSL import SSL

from mailproxy import __version__
from mailproxy.control.running import Running
from mailproxy.front.vitals import PROCESS
from mailproxy.metrics import names
from mailproxy.metrics.definition import Definition, Family
from mailproxy.metrics.histogram import add_durations
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part

_UNITS_PER_SECOND = 1_000_000


def collect(running: Running, label_sets: LabelSets) -> Iterator[Part]:
    """Yield each metric of the service."""
    state, reloading = running.process_state, running.reloading
    counts = state.counts
    processes = counts.states()
    counted = PROCESS.totals(counts.process()[0].sums())

    def single(definition: Definition, value: float, *labels: str) -> Part:
        family = Family(definition, label_sets)
        family.add(value, *labels)
        return family.metric

    openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii")
    began = time.time() - running.loop.poller.look_at_clock() + (running.began or 0.0)
    yield single(names.BUILD, 1, __version__, platform.python_version(), openssl)
    yield single(names.START, round(began, 1))
    yield single(names.STOPPING, int(running.stop.has_begun))
    yield single(names.CURRENT_SESSIONS, state.total.sessions)
    yield single(names.MAX_SESSIONS, state.total.maximum)
    yield single(names.READINGS, len(running.generation.generations))
    reloads = Family(names.RELOADS, label_sets)
    reloads.add(reloading.succeeded, "success")
    reloads.add(reloading.failed, "failure")
    yield reloads.metric
    yield single(names.LAST_RELOAD, round(reloading.last_success, 3))
    yield single(names.LAST_RELOAD_OK, int(reloading.is_ok))
    yield single(names.WORKERS, len(processes) - 1)
    yield single(names.WORKERS_CONFIGURED, running.started.workers)
    yield single(names.WORKERS_ENDED, running.workers_ended)
    yield single(names.CPU, counted.numbers["cpu"] / _UNITS_PER_SECOND)
    yield single(names.LINES_DROPPED, counted.numbers["lines_dropped"])
    lag = Family(names.LAG, label_sets)
    add_durations(lag, counted.histograms["lag"])
    yield lag.metric
    for definition, number, divisor in (
        (names.LAG_MAX, "longest_lag", _UNITS_PER_SECOND),
        (names.DESCRIPTORS, "descriptors", 1),
        (names.MAX_DESCRIPTORS, "most_descriptors", 1),
        (names.MEMORY, "memory", 1),
        (names.PROCESS_START, "started", _UNITS_PER_SECOND),
    ):
        each = Family(definition, label_sets)
        for process, its in processes.items():
            value = its.numbers[number]
            each.add(value if divisor == 1 else value / divisor, process)
        yield each.metric
