"""Copies the state of servers from the main process to workers."""

from __future__ import annotations

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer, inet_target
from mailproxy.front.process_state import BackendKey
from mailproxy.process.message import Standing


def standing_of(key: BackendKey, server: BackendServer) -> Standing:
    """Return the state of a server, of the backend with this key."""
    health = server.health
    return Standing(
        backend=key[0],
        protocol=key[1],
        server=server.name,
        is_up=server.is_up,
        has_errors=health is not None and health.errors > 0,
        state=server.state,
        agent_state=server.agent_state,
        weight=server.asked_weight,
        maxconn=server.asked_maxconn,
        backup=server.backup,
        record=server.record,
        is_somewhere=server.target is not None,
        ramp_began=server.ramp_began,
        reason=server.why,
    )


def take(standing: Standing, backend: Backend, now: float) -> None:
    """Apply a state to the backend's server with its name, with all consequences."""
    for server in backend.pool.servers:
        if server.name == standing.server:
            _take(standing, backend, server, now)


def _take(standing: Standing, backend: Backend, server: BackendServer, now: float) -> None:
    pool, reason = backend.pool, standing.reason
    pool.set_weight(server, standing.weight, now, reason)
    pool.set_maxconn(server, standing.maxconn, now, reason)
    pool.set_backup(server, standing.backup, now, reason)
    pool.set_agent_state(server, standing.agent_state, now, reason)
    pool.set_state(server, standing.state, now, reason)
    before, server.record = server.record, standing.record
    if not standing.is_somewhere:
        pool.set_target(server, None, now, reason)
    elif standing.record is not None and (server.target is None or standing.record != before):
        port = standing.record.port or backend.settings.ports[backend.protocol]
        pool.set_target(server, inet_target(standing.record.host, port, server.origin.tls), now, reason)
    pool.set_health(server, standing.is_up, now, reason)
    if server.health is not None:
        server.health.errors = int(standing.has_errors)
    if server.ramp_began != standing.ramp_began:
        # For a worker that begins later, the slowstart is already running.
        server.ramp_began = standing.ramp_began
        pool.refresh(now)
