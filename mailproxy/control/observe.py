"""Reads the status of a running service into plain values."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from attrs import frozen
from OpenSSL import SSL

from mailproxy import __version__
from mailproxy.backend.backend import Backend
from mailproxy.backend.overrides import Override
from mailproxy.backend.server import BackendServer
from mailproxy.bans.ban import Ban, Key, key_of, place_of
from mailproxy.bans.bans import left
from mailproxy.config.difference import differences
from mailproxy.control.running import Running
from mailproxy.control.session_filters import FILTERS, idle_of, stage_of
from mailproxy.control.status import (
    BackendStatus,
    BanStatus,
    CertificateStatus,
    ConfigStatus,
    FrontendStatus,
    Info,
    RuleStatus,
    ServerStatus,
    SessionStatus,
)
from mailproxy.front.frontend import Frontend
from mailproxy.rules.explanation import actions, condition_of
from mailproxy.session.numbers import COUNTERS
from mailproxy.session.record import describe
from mailproxy.session.session import Session
from mailproxy.tls.store import Refusal


def info(running: Running, watchers: int) -> Info:
    """Return the status of the process."""
    total = running.process_state.total
    sources = running.process_state.sources(running.generation.settings)
    reloading = running.reloading
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
        readings=len(running.generation.readings),
        reload="none" if reloading.ended is None else "success" if reloading.is_ok else "failure",
        reload_s=_ago(reloading.ended, _now(running)),
        reload_problem=reloading.problem,
        lists_refused=tuple(running.process_state.lists.refused.values()),
        workers=len(running.others),
        worker_ends=tuple(running.worker_ends),
        bans=len(running.bans.bans),
        watchers=watchers,
        sources=None if sources is None else sources.size,
        sources_evicted=None if sources is None else sources.evictions,
        sources_uncounted=None if sources is None else sources.overflows,
    )


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
    for generation in running.generation.readings:
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
        pool.look()
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
        backend.pool.look()
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


def sessions(running: Running, wanted: Mapping[str, Any]) -> Iterator[SessionStatus | None]:
    """Yield the sessions that match all filters (values by name), and None for each other session."""
    return those(running, list(running.generation.sessions), wanted)


def those(running: Running, found: Iterable[Session], wanted: Mapping[str, Any]) -> Iterator[SessionStatus | None]:
    """Yield the status of each of these sessions that matches all filters, and None for each other one."""
    tests = [FILTERS[name](value) for name, value in wanted.items()]
    for session in found:
        now = _now(running)
        if session.is_over or not all(test(session, now) for test in tests):
            yield None
        else:
            yield session_status(session, now)


def session_status(session: Session, now: float) -> SessionStatus:
    """Return the status of a session at a moment of the poller's clock."""
    fields: dict[str, Any] = describe(session)
    return SessionStatus(
        id=session.id,
        frontend=session.terms.frontend,
        client=fields["client"],
        via=fields.get("via"),
        stage=stage_of(session),
        age_s=round(now - session.started, 3),
        idle_s=round(idle_of(session, now), 3),
        tls=fields.get("tls"),
        cipher=fields.get("cipher"),
        sni=fields.get("sni"),
        cn=fields.get("cn"),
        verify=fields.get("verify"),
        backend=fields["backend"],
        server=fields.get("server"),
        rule=fields.get("rule"),
        label=fields.get("label"),
        bytes_in=fields["bytes_in"],
        bytes_out=fields["bytes_out"],
    )


def bans(running: Running, wanted: Mapping[str, Any]) -> Iterator[BanStatus | None]:
    """
    Yield the bans that match all filters (values by name), and None for each other one.

    With `client` but without `origin`, the lists with such clients follow.
    """
    keeper = running.bans
    client = wanted.get("client")
    for ban in keeper.bans:
        now = keeper.now
        has_ended = ban.end <= now
        if has_ended or ban.origin != wanted.get("origin", ban.origin) or not (client is None or _meets(ban, client)):
            yield None
            continue
        seconds = left(ban, now)
        yield BanStatus(
            network=ban.place,
            origin=ban.origin,
            since_s=round(max(now - ban.made, 0.0), 3),
            left_s=None if seconds is None else round(seconds, 3),
            reason=ban.reason,
        )
    if client not in (None, "unix") and "origin" not in wanted:
        yield from _listed(running, key_of(client))


def _listed(running: Running, key: Key) -> Iterator[BanStatus]:
    """Yield the lists that have clients of a network; what else is in them is not shown: they may be long."""
    first, bits = key
    words = "in the list" if bits == 8 * len(first) else "has addresses of the list"
    for path in running.process_state.bans.lists_with(key):
        yield BanStatus(network=place_of(key), origin="list", since_s=None, left_s=None, reason=f"{words} {path}")


def _meets(ban: Ban, client: Any) -> bool:
    """Return whether a ban concerns clients of a network."""
    network = ip_network(ban.key)
    return client != "unix" and client.version == network.version and bool(client.overlaps(network))


def certificates(running: Running) -> Iterator[CertificateStatus]:
    """Yield the certificates of all TLS profiles that frontends use."""
    now = datetime.now(UTC)
    store, profiles = running.process_state.certificates, running.generation.settings.tls
    for profile, found in store.in_use.items():
        refused: dict[str, list[Refusal]] = {}
        for refusal in store.refusals(profile, profiles[profile].certificates if profile in profiles else ()):
            refused.setdefault(refusal.path, []).append(refusal)
        for certificate in found:
            yield CertificateStatus(
                profile=profile,
                path=certificate.path,
                names=certificate.names,
                key=certificate.key_alg or certificate.sig_alg,
                not_after=f"{certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",
                days_left=(certificate.not_after - now).days,
                **_refused(refused.pop(certificate.path, ()), now),
            )
        for path, refusals in refused.items():
            yield CertificateStatus(
                profile=profile,
                path=path,
                names=(),
                key=None,
                not_after=None,
                days_left=None,
                **_refused(refusals, now),
            )


def _refused(refusals: Iterable[Refusal], now: datetime) -> dict[str, Any]:
    words = "; ".join(dict.fromkeys(map(str, refusals)))
    since = min((refusal.since for refusal in refusals), default=None)
    return {"refused": words, "refused_s": _ago(since, now.timestamp())}


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
