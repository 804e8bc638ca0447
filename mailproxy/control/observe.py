"""
Reads a running service, its frontends, backends, servers and rules into plain values.

`session_status`, `ban_status` and `certificate_status` read the rest.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

from attrs import frozen
from OpenSSL import SSL

from mailproxy import __version__
from mailproxy.backend.backend import Backend
from mailproxy.backend.overrides import Override
from mailproxy.backend.server import BackendServer
from mailproxy.config.difference import differences
from mailproxy.control.running import Running
from mailproxy.control.sentence import Sentence, write_broad
from mailproxy.control.status import BackendStatus, ConfigStatus, FrontendStatus, Info, RuleStatus, ServerStatus
from mailproxy.front.frontend import Frontend
from mailproxy.networks.breadth import list_breadth
from mailproxy.rules.explanation import actions, condition_of
from mailproxy.session.numbers import COUNTERS, GATES


def info(running: Running, watchers: int) -> Info:
    """Return the status of the process."""
    total = running.process_state.total
    sources = running.process_state.sources(running.generation.settings)
    reloading = running.reloading
    replaced = running.takeover_end.predecessor
    if replaced is not None and not replaced.is_alive:
        replaced = None
    return Info(
        version=__version__,
        pid=os.getpid(),
        user=os.geteuid(),
        python=platform.python_version(),
        openssl=SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii"),
        configuration=os.path.abspath(running.source),
        state="stopping" if running.stop.has_begun else "running",
        uptime_s=_ago(running.began, _now(running)) or 0.0,
        sessions=total.sessions,
        maxconn=total.maximum,
        connections=sum(frontend.counters.connections for frontend in running.generation.frontends),
        readings=len(running.generation.generations),
        reload=reloading.state,
        reload_s=_ago(reloading.ended if reloading.began is None else reloading.began, _now(running)),
        reload_problem=reloading.problem,
        lists_refused=tuple(running.process_state.lists.refused.values()),
        bans_broad=tuple(_bans_broad(running)),
        replaced_pid=None if replaced is None else replaced.process,
        replaced_left_s=None if replaced is None else replaced.left_seconds,
        workers=len(running.others),
        worker_ends=tuple(running.worker_ends),
        bans=len(running.bans.bans),
        bans_by={origin: count for origin, count in running.bans.bans.counts.items() if count},
        bans_listed=sum(one.networks.size for one in running.process_state.bans.lists),
        bans_refused=sum(
            running.process_state.block(frontend.name).sum(GATES["banned"]) for frontend in running.generation.frontends
        ),
        watchers=watchers,
        sources=None if sources is None else sources.size,
        sources_evicted=None if sources is None else sources.evictions,
        sources_uncounted=None if sources is None else sources.overflows,
    )


def _bans_broad(running: Running) -> Iterator[str]:
    gate = running.process_state.bans
    for one in gate.lists:
        if problem := list_breadth(one.networks, gate.exempt):
            yield write_broad(Sentence(f"list {one.path}", problem))
    if (broad := running.ban_breadth.finding) is not None:
        yield write_broad(Sentence(broad.subject, broad.problem))


@frozen
class Seen:
    """A frontend over all readings that still have sessions of it."""

    newest: Frontend
    """The frontend of the latest reading that has it."""
    state: str
    """``open``, ``drain`` or ``closing``, as in `FrontendStatus`."""
    listens: tuple[str, ...]
    sessions: int


def seen_frontends(running: Running) -> Iterator[Seen]:
    """Yield the frontends of the configuration, then removed frontends that still have sessions."""
    seen: dict[str, list[Frontend]] = {}
    for generation in running.generation.generations:
        for frontend in generation.frontends:
            seen.setdefault(frontend.name, []).append(frontend)
    sockets = running.process_state.sockets
    listening = sockets.addresses(running.generation.settings.frontends)
    for name, of_all in seen.items():
        sessions = running.process_state.capacity(name).sessions
        listens = listening.get(name, ())
        if name in listening or sessions:
            state = "drain" if name in sockets.suspended else "open" if listens else "closing"
            yield Seen(of_all[0], state, listens, sessions)


def frontends(running: Running) -> Iterator[FrontendStatus]:
    """Yield the status of each frontend."""
    for seen in seen_frontends(running):
        settings, numbers = seen.newest.settings, seen.newest.totals.numbers
        yield FrontendStatus(
            frontend=settings.name,
            state=seen.state,
            protocol=settings.protocol,
            tls=settings.tls,
            listens=seen.listens,
            backend=settings.backend,
            current=seen.sessions,
            maxconn=settings.maxconn,
            bytes_in=numbers["bytes_in"],
            bytes_out=numbers["bytes_out"],
            **{name: numbers[name] for name in COUNTERS},
        )


def backends(running: Running) -> Iterator[BackendStatus]:
    """Yield each backend, once for each protocol that frontends use it with."""
    for backend in running.generation.backends.values():
        pool = backend.pool
        pool.refresh_sessions()
        yield BackendStatus(
            backend=backend.name,
            protocol=backend.protocol,
            state="down" if pool.is_empty else "up",
            balance=backend.settings.balance,
            servers=len(pool.servers),
            active=pool.active,
            backup=pool.backup,
            sessions=sum(server.sessions for server in pool.servers),
            queued=pool.queued,
        )


def rules(running: Running) -> Iterator[RuleStatus]:
    """Yield each rule, in the order in which they are tried."""
    for frontend in running.generation.frontends:
        for rule, clients in zip(frontend.settings.rules, frontend.rule_hits.values(), strict=True):
            yield RuleStatus(
                frontend=frontend.name,
                rule=rule.name,
                condition=condition_of(rule),
                does=actions(rule),
                clients=clients,
            )


def servers(running: Running) -> Iterator[ServerStatus]:
    """Yield each server, once for each protocol."""
    now = _now(running)
    for backend in running.generation.backends.values():
        backend.pool.refresh_sessions()
        for server in backend.pool.servers:
            yield server_status(backend, server, running.process_state.overrides.of(backend.name, server), now)


def server_status(backend: Backend, server: BackendServer, override: Override, now: float) -> ServerStatus:
    """Return the status of one server, with what administrators have set for it."""
    health = server.health
    return ServerStatus(
        backend=backend.name,
        protocol=backend.protocol,
        server=server.name,
        address=None if server.target is None else str(server.target),
        state=server.condition,
        since_s=_ago(server.since, now),
        why=server.why,
        is_up=server.is_up,
        admin=server.state,
        configured_state=server.origin.settings.state,
        state_by_hand=override.state,
        weight_by_hand=override.weight,
        agent=server.agent_state,
        check=server.origin.settings.check.type_for(backend.protocol),
        check_counts="" if health is None else health.counts,
        checked_s=None if health is None else _ago(health.checked, now),
        check_says="" if health is None else health.reason,
        check_failures=0 if health is None else health.failures,
        downtimes=0 if health is None else health.downtimes,
        weight=server.asked_weight,
        configured_weight=server.weight,
        share=round(server.share, 3),
        sessions=server.sessions,
        maxconn=server.asked_maxconn,
        is_backup=server.backup,
    )


def configuration(running: Running) -> ConfigStatus:
    """Return the text of the configuration, and the file that it was read from."""
    source = os.path.abspath(running.source)
    started, settings = running.started, running.generation.settings
    waits = any(change.needs_restart for change in differences(started, settings))
    return ConfigStatus(
        file=source,
        folder=os.path.dirname(source),
        text=settings.text,
        started=started.text if waits else None,
    )


def _now(running: Running) -> float:
    return running.loop.poller.look_at_clock()


def _ago(moment: float | None, now: float) -> float | None:
    return None if moment is None else round(max(now - moment, 0.0), 3)
