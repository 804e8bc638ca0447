"""The sources with the most connections, or with the highest rates: who floods."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mailproxy.config.words import quoted
from mailproxy.control.grammar import BadCommand
from mailproxy.control.running import Running
from mailproxy.control.status import SourceStatus
from mailproxy.sources.key import EVERYWHERE, heads, network_of, scope_of
from mailproxy.sources.plan import Plan, frontend_plan, plan_of
from mailproxy.sources.sources import Entry, Sources, connections_of, rate_of

USUAL_LIMIT = 20

BY = ("connections", "rate", "failures", "logins")
"""The words for the numbers that sources can be sorted by."""

_FIELDS = dict(zip(BY, ("connections", "rate", "handshake_failures", "auth_failures"), strict=True))


def sources(running: Running, given: Mapping[str, Any]) -> Iterator[SourceStatus | None]:
    """Return an iterator over the top sources, highest first, after a None for each look at the table."""
    scope, plan = _scope(running, given.get("frontend"))
    found = running.process_state.sources(running.generation.settings)
    if plan is None or found is None:
        raise BadCommand("no source is counted here: set a limit of sources, or `sources` in [limits] (docs/limits.md)")
    return _top(running, found, plan, scope, given)


def _scope(running: Running, frontend: str | None) -> tuple[bytes, Plan | None]:
    settings = running.generation.settings
    if frontend is None:
        return EVERYWHERE, plan_of(settings)
    for one in settings.frontends:
        if one.name == frontend:
            return scope_of(frontend), frontend_plan(settings, one)
    raise BadCommand(f"there is no frontend {quoted(frontend)}")


def _top(
    running: Running, found: Sources, plan: Plan, scope: bytes, given: Mapping[str, Any]
) -> Iterator[SourceStatus | None]:
    limit, network = given.get("limit", USUAL_LIMIT), given.get("client")
    field = _FIELDS[given.get("by", BY[0])]
    beginnings = heads(scope, *plan.prefix)
    top: list[tuple[float, bytes, SourceStatus]] = []
    for number, table in enumerate(found.tables):
        for listed in table.entries():
            yield None
            if listed is None or not listed[0].startswith(beginnings):
                continue
            key = listed[0]
            entries = found.find(key)
            if any(entry[0] in found.tables[:number] for entry in entries):
                continue  # it was there before
            if network is not None and not _is_in(key, network):
                continue
            now = running.loop.poller.look_at_clock()
            status = _status(key, entries, plan, now)
            value = getattr(status, field)
            if value:
                (heapq.heappush if len(top) < limit else heapq.heappushpop)(top, (value, key, status))
    for _, _, status in sorted(top, reverse=True, key=lambda one: one[:2]):
        yield status


def _is_in(key: bytes, network: Any) -> bool:
    source: Any = network_of(key)
    return bool(network != "unix" and source.version == network.version and source.overlaps(network))


def _status(key: bytes, entries: Sequence[Entry], plan: Plan, now: float) -> SourceStatus:
    rate, failures, logins = plan.columns[:3]
    return SourceStatus(
        source=str(network_of(key)),
        connections=connections_of(entries),
        rate=round(rate_of(entries, rate, now), 1),
        rate_s=rate.seconds,
        handshake_failures=round(rate_of(entries, failures, now), 1),
        handshake_failures_s=failures.seconds,
        auth_failures=round(rate_of(entries, logins, now), 1),
        auth_failures_s=logins.seconds,
    )
