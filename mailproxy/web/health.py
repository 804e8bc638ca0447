"""`/livez` and `/readyz`: whether the process works, and whether it wants clients."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.running import Running
from mailproxy.front.frontend import Frontend
from mailproxy.web.reply import TEXT, Reply


def livez() -> Reply:
    """Say that the process works: its reactor has taken the time to answer."""
    return Reply(b"ok\n", TEXT)


def readyz(running: Running) -> Reply:
    """Say whether the service wants clients; if not, with each reason in a line."""
    reasons = list(reasons_against(running))
    if not reasons:
        return Reply(b"ready\n", TEXT)
    return Reply("".join(f"not ready: {reason}\n" for reason in reasons).encode(), TEXT, 503)


def reasons_against(running: Running) -> Iterator[str]:
    """Yield the reasons why the service wants no clients."""
    if running.stop.has_begun:
        yield "the service stops"
        return
    generation = running.generation
    frontends = generation.settings.frontends
    listening = running.process_state.sockets.addresses(frontends)
    if not any(listening.values()):
        yield "no frontend listens"
    for frontend in generation.frontends:
        settings = frontend.settings
        if not settings.ready_needs_server:
            continue
        backend = _backend_for_everybody(frontend)
        pool = generation.backends[backend, settings.protocol].pool
        pool.refresh_sessions()
        if pool.is_empty:
            yield f"frontend {frontend.name}: no server of backend {backend} is up for {settings.protocol}"


def _backend_for_everybody(frontend: Frontend) -> str:
    """Return the backend of clients that no rule knows: a rule may send all elsewhere while a backend has no server."""
    rules = frontend.terms.rules
    rule = None if rules is None else rules.for_everybody()
    return frontend.settings.backend if rule is None or rule.backend is None else rule.backend
