"""
Gives a process that takes over what the previous one knows of its frontends and servers, before it accepts clients.

These are the frontends that administrators have drained; the states and weights of servers that they have set, as long
as the configuration has the same value for that key; and the addresses and health that the previous process has found,
so that the first clients are not sent to a dead server. The source are the rows of `show frontends` and `show servers`.
A field that an earlier version of mailproxy does not have is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mailproxy.backend.backend import Backend
from mailproxy.backend.overrides import why
from mailproxy.backend.server import BackendServer, inet_target
from mailproxy.config.place import NamedServer, SrvServer
from mailproxy.front.prepare import Prepared
from mailproxy.names.record import Record
from mailproxy.proxyprotocol import InetAddress

Row = Mapping[str, Any]


def take_over_state(prepared: Prepared, frontends: Iterable[Row], servers: Iterable[Row], now: float) -> list[str]:
    """Apply the rows at the time `now`; return a line for each difference from a process that starts anew."""
    drained = {row.get("frontend") for row in frontends if row.get("state") == "drain"}
    kept = [frontend for frontend in prepared.settings.frontends if frontend.name in drained]
    prepared.process_state.sockets.keep_drained(kept)
    lines = [f"frontend {frontend.name} is drained" for frontend in kept]
    known = {
        (backend.name, backend.protocol, server.name): (backend, server)
        for backend in prepared.backends.values()
        for server in backend.pool.servers
    }
    for row in servers:
        found = known.get((row.get("backend", ""), row.get("protocol", ""), row.get("server", "")))
        if found is not None:
            backend, server = found
            words = ", ".join(_inherit_server(prepared, backend, server, row, now))
            if words:
                lines.append(f"server {backend.name}/{server.name} {backend.protocol}: {words}")
    return lines


def _inherit_server(prepared: Prepared, backend: Backend, server: BackendServer, row: Row, now: float) -> Iterator[str]:
    """Apply the row of a server; yield the differences in words."""
    pool, overrides = backend.pool, prepared.process_state.overrides
    settings = server.origin.settings
    state, weight = row.get("state_by_hand"), row.get("weight_by_hand")
    if state in ("ready", "drain", "maint") and row.get("configured_state") == settings.state:
        overrides.set_state(backend.name, server, state)
        pool.set_state(server, state, now, why(state))
        yield f"state {state}"
    if isinstance(weight, int | float) and row.get("configured_weight") == settings.weight:
        overrides.set_weight(backend.name, server, weight)
        pool.set_weight(server, weight, now, "by hand")
        yield f"weight {weight:g}"
    _inherit_address(backend, server, row, now)
    is_same = server.target is not None and str(server.target) == row.get("address")
    is_up = row.get("is_up")
    if is_same and isinstance(is_up, bool) and is_up != server.is_up:
        pool.set_health(server, is_up, now, str(row.get("check_says", "")))
        yield "up" if is_up else "down"
    since_s = row.get("since_s")
    if isinstance(since_s, int | float) and row.get("state") == server.condition:
        server.since = now - since_s


def _inherit_address(backend: Backend, server: BackendServer, row: Row, now: float) -> None:
    """Use the last address of a host name until DNS answers."""
    where, address = server.origin.where, row.get("address")
    if not isinstance(where, NamedServer | SrvServer) or not isinstance(address, str):
        return
    try:
        found = InetAddress.parse(address)
    except ValueError:
        return
    # The rest of the record comes with the first answer.
    server.record = Record(found.host, found.port if isinstance(where, SrvServer) else None)
    backend.pool.set_target(server, inet_target(found.host, found.port, server.origin.tls), now, "as it was before")
