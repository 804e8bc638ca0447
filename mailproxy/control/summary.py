"""A running service in one line, for people who look at many services."""

from __future__ import annotations

from mailproxy.control.running import Running
from mailproxy.session.counters import counted


def summary(running: Running) -> str:
    """Return how many sessions and working servers there are."""
    sessions = counted(running.process_state.total.sessions, "sessions")
    if running.stop.has_begun:
        return f"stopping, {sessions}"
    works: dict[tuple[str, str], bool] = {}
    for (name, _), backend in running.generation.backends.items():
        for server in backend.pool.servers:
            # One that is down for one protocol is worth a look.
            works[name, server.name] = server.is_running and works.get((name, server.name), True)
    return f"{sessions}, {sum(works.values())} of {counted(len(works), 'servers')} up"
