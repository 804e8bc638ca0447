"""Which sessions an administrator means: the filters of `show sessions`, and the session with an id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mailproxy.control.running import Running
from mailproxy.proxyprotocol import InetAddress
from mailproxy.session.session import Session

Test = Callable[[Session, float], bool]
"""Returns whether a session matches at a moment of the reactor's clock."""


def stage_of(session: Session) -> str:
    """Return the name of a session's stage."""
    return type(session.stage).__name__.lower()


def idle_of(session: Session, now: float) -> float:
    """Return the seconds since the session last moved a byte."""
    moved = [session.started, session.client.active]
    if session.stream is not None:
        moved.append(session.stream.active)
    return max(now - max(moved), 0.0)


def _is_from(network: Any) -> Test:
    def test(session: Session, now: float) -> bool:
        host = _host(session)
        return host is None if network == "unix" else host is not None and host in network

    return test


def _host(session: Session) -> Any:
    """Return the client's address, as in the session's log line; None on UNIX sockets."""
    header = session.header
    if header is not None and not session.is_local and (addresses := header.stream_addresses) is not None:
        source = addresses[0]
        return source.unmapped.host if isinstance(source, InetAddress) else None
    return session.peer_host


def client_address(session: Session) -> str:
    """Return the address of a session's client, as text; "unix" on UNIX sockets."""
    if session.header is None:
        # The kernel's text is that of the log, and takes a tenth of the time.
        return str(session.peer[0]) if isinstance(session.peer, tuple) else "unix"
    host = _host(session)
    return "unix" if host is None else str(host)


def has_text(text: str) -> Test:
    """Return a test for a text in what identifies a session: client, server name, common name, server, id."""
    wanted = text.lower()

    def test(session: Session, now: float) -> bool:
        facts = session.facts
        if wanted in client_address(session):
            return True
        if facts is not None and (
            wanted in (facts.server_name or "").lower()
            or any(wanted in name.lower() for name in facts.client_common_names)
        ):
            return True
        if session.server is not None:
            backend = (session.backend or session.terms.backend).name
            if wanted in f"{backend}/{session.server.name}".lower():
                return True
        return wanted in session.id

    return test


FILTERS: Mapping[str, Callable[[Any], Test]] = {
    "client": _is_from,
    "frontend": lambda name: lambda session, now: session.terms.frontend == name,
    "backend": lambda name: lambda session, now: session.backend is not None and session.backend.name == name,
    "server": lambda names: (
        lambda session, now: (
            session.server is not None
            and ((session.backend or session.terms.backend).name, session.server.name) == names
        )
    ),
    "sni": lambda name: (
        lambda session, now: session.facts is not None and (session.facts.server_name or "").lower() == name.lower()
    ),
    "cn": lambda name: lambda session, now: session.facts is not None and name in session.facts.client_common_names,
    "search": has_text,
    "stage": lambda name: lambda session, now: stage_of(session) == name,
    "older-than": lambda seconds: lambda session, now: now - session.started > seconds,
    "idle-for": lambda seconds: lambda session, now: idle_of(session, now) > seconds,
}
"""By name: each makes a test of a value."""


def find_session(running: Running, id: str) -> Session | None:
    """Return the session with this id, or None."""
    try:
        number = int(id.rpartition("-")[2], 16)
    except ValueError:
        return None
    # By number first: formatting the ids of ten thousand sessions takes milliseconds.
    same = (session for session in running.generation.sessions if session.number == number)
    return next((session for session in same if session.id == id), None)
