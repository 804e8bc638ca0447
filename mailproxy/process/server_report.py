"""Reports how sessions of workers fare with servers to the main process; `server_update` is the other way."""

from __future__ import annotations

from collections.abc import Callable

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.process.message import Missed, Reached


def report_sessions(backend: Backend, send: Callable[[Missed | Reached], object]) -> None:
    """Have a worker's backend report its sessions, from now on."""
    name, protocol = backend.name, backend.protocol

    def missed(server: BackendServer, now: float, reason: str, source: bytes | None) -> None:
        send(Missed(name, protocol, server.name, reason, source))

    def reached(server: BackendServer) -> None:
        if server.health is not None:
            server.health.observed_success()
        send(Reached(name, protocol, server.name))

    backend.missed, backend.reached = missed, reached


def take_report(report: Missed | Reached, backend: Backend, now: float) -> BackendServer | None:
    """Count the session for the server; return the server if its first error came, or its last one went."""
    server = next((one for one in backend.pool.servers if one.name == report.server), None)
    if server is None:  # a reload has removed it
        return None
    had_errors = server.health is not None and server.health.errors > 0
    if isinstance(report, Missed):
        backend.failed(server, now, report.reason, report.source)
    else:
        backend.succeeded(server)
    return server if server.health is not None and had_errors != (server.health.errors > 0) else None
