"""The metrics of backends and servers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from mailproxy.backend.server import BackendServer
from mailproxy.control.running import Running
from mailproxy.counting.layout import Totals
from mailproxy.metrics import names
from mailproxy.metrics.definition import Definition, Family
from mailproxy.metrics.histogram import add_durations
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part

NUMBERS: Mapping[str, Definition] = {
    "sessions": names.SERVER_SESSIONS,
    "failed": names.SERVER_FAILED,
    "refused": names.SERVER_REFUSED,
    "retries": names.SERVER_RETRIES,
    "redispatches": names.SERVER_REDISPATCHES,
    "bytes_in": names.SERVER_RECEIVED,
    "bytes_out": names.SERVER_SENT,
    "downtimes": names.SERVER_DOWNTIMES,
}
TABLES: Mapping[str, Definition] = {"checks": names.CHECKS}
HISTOGRAMS: Mapping[str, Definition] = {"check_time": names.CHECK_TIME}

_STATES = ("up", "drain", "down", "no-address", "maint")

_AT_ONCE = 30
"""The servers whose numbers are read at once, which takes a millisecond."""

_Found = tuple[BackendServer, Totals, tuple[str, str, str]]


def collect(running: Running, label_sets: LabelSets) -> Iterator[Part]:
    """Yield each metric with the samples of all backends, and of all servers."""
    backends = list(running.generation.backends.values())
    up, usable, queued = (
        Family(one, label_sets) for one in (names.BACKEND_UP, names.BACKEND_SERVERS, names.BACKEND_QUEUE)
    )
    for backend in backends:
        pool, where = backend.pool, (backend.name, str(backend.protocol))
        pool.refresh_sessions()
        up.add(int(not pool.is_empty), *where)
        usable.add(pool.active, *where, "active")
        usable.add(pool.backup, *where, "backup")
        queued.add(pool.queued, *where)
    yield from (up.metric, usable.metric, queued.metric)

    counts = running.process_state.counts
    found: list[_Found] = []
    for backend in backends:
        for server in backend.pool.servers:
            labels = backend.name, backend.protocol, server.name
            found.append((server, counts.server_totals(*labels), labels))
            if not len(found) % _AT_ONCE:
                yield None
    yield from _now(running, found, label_sets)
    yield from _counted(found, label_sets)


def _now(running: Running, found: list[_Found], label_sets: LabelSets) -> Iterator[Part]:
    """Yield how servers are now."""
    epoch = time.time() - running.loop.poller.look_at_clock()
    states, changed, current, most, weights = (
        Family(one, label_sets)
        for one in (
            names.SERVER_STATE,
            names.SERVER_CHANGED,
            names.SERVER_CURRENT,
            names.SERVER_MAX,
            names.SERVER_WEIGHT,
        )
    )
    for server, _, labels in found:
        condition, since = server.condition, running.began if server.since is None else server.since
        states.add_each(((state, int(state == condition)) for state in _STATES), *labels)
        changed.add(round(epoch + (since or 0.0), 3), *labels)
        current.add(server.sessions, *labels)
        most.add(server.asked_maxconn, *labels)
        weights.add(server.share, *labels)
    yield from (one.metric for one in (states, changed, current, most, weights))


def _counted(found: list[_Found], label_sets: LabelSets) -> Iterator[Part]:
    """Yield what is counted of servers."""
    for name, definition in NUMBERS.items():
        numbers = Family(definition, label_sets)
        for _, totals, labels in found:
            numbers.add(totals.numbers[name], *labels)
        yield numbers.metric
    checked = [one for one in found if one[0].health is not None]
    for name, definition in TABLES.items():
        table = Family(definition, label_sets)
        for _, totals, labels in checked:
            table.add_each(totals.tables[name].items(), *labels)
        yield table.metric
    for name, definition in HISTOGRAMS.items():
        histogram = Family(definition, label_sets)
        for _, totals, labels in checked:
            add_durations(histogram, totals.histograms[name], *labels)
        yield histogram.metric
