"""Copies the state of servers from the main process to workers."""

from __future__ import annotations

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer, inet_target
from mailproxy.front.process_state import BackendKey
from mailproxy.process.message import ServerUpdate


def update_of(key: BackendKey, server: BackendServer) -> ServerUpdate:
    """Return the state of a server, of the backend with this key."""
    health = server.health
    return ServerUpdate(
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


def apply(update: ServerUpdate, backend: Backend, now: float) -> None:
    """Apply a state to the backend's server with its name, with all consequences."""
    for server in backend.pool.servers:
        if server.name == update.server:
            _apply(update, backend, server, now)


def _apply(update: ServerUpdate, backend: Backend, server: BackendServer, now: float) -> None:
    pool, reason = backend.pool, update.reason
    pool.set_weight(server, update.weight, now, reason)
    pool.set_maxconn(server, update.maxconn, now, reason)
    pool.set_backup(server, update.backup, now, reason)
    pool.set_agent_state(server, update.agent_state, now, reason)
    pool.set_state(server, update.state, now, reason)
    before, server.record = server.record, update.record
    if not update.is_somewhere:
        pool.set_target(server, None, now, reason)
    elif update.record is not None and (server.target is None or update.record != before):
        port = update.record.port or backend.settings.ports[backend.protocol]
        pool.set_target(server, inet_target(update.record.host, port, server.origin.tls), now, reason)
    pool.set_health(server, update.is_up, now, reason)
    if server.health is not None:
        server.health.errors = int(update.has_errors)
    if server.ramp_began != update.ramp_began:
        # For a worker that begins later, the slowstart is already running.
        server.ramp_began = update.ramp_began
        pool.refresh(now)
