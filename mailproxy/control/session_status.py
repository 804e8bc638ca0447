"""Reads sessions into plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mailproxy.control.running import Running
from mailproxy.control.session_filters import FILTERS, idle_of, stage_of
from mailproxy.control.status import SessionStatus
from mailproxy.session.record import describe
from mailproxy.session.session import Session


def session_statuses(running: Running, wanted: Mapping[str, Any]) -> Iterator[SessionStatus | None]:
    """Yield the sessions that match all filters (values by name), and None for each other session."""
    return statuses_of(running, list(running.generation.sessions), wanted)


def statuses_of(
    running: Running, found: Iterable[Session], wanted: Mapping[str, Any]
) -> Iterator[SessionStatus | None]:
    """Yield the status of each of these sessions that matches all filters, and None for each other one."""
    tests = [FILTERS[name](value) for name, value in wanted.items()]
    for session in found:
        now = running.loop.poller.look_at_clock()
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
        backend=fields.get("backend"),
        server=fields.get("server"),
        rule=fields.get("rule"),
        label=fields.get("label"),
        bytes_in=fields["bytes_in"],
        bytes_out=fields["bytes_out"],
    )
