"""Ends the sessions of clients that are banned by hand, with the protocol's goodbye where it is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.bans.ban import Ban
from mailproxy.bans.table import BanTable
from mailproxy.session.addresses import announced_source
from mailproxy.session.session import Session
from mailproxy.session.termination import KICKED
from mailproxy.transport.poller import Poller

SESSIONS_AT_ONCE = 250
"""The most sessions that one turn looks at: a process may have a hundred thousand."""


class Kicks:
    """Ends sessions by the client's address (mutable)."""

    def __init__(self, sessions: Callable[[], Iterable[Session]], clock: IReactorTime, poller: Poller) -> None:
        self._sessions = sessions
        self._clock = clock
        self._poller = poller
        self._calls: set[IDelayedCall] = set()

    def kick(self, ban: Ban) -> None:
        """End the sessions of clients in the network of a ban."""
        banned = BanTable()
        banned.put(ban)
        self._end_some(banned, list(self._sessions()))

    def _end_some(self, banned: BanTable, sessions: list[Session]) -> None:
        now = self._poller.look_at_clock()
        for session in sessions[-SESSIONS_AT_ONCE:]:
            source = _source(session)
            if source is not None and not session.is_over and banned.find(source, now) is not None:
                session.shut_down(KICKED, "banned by hand")
        del sessions[-SESSIONS_AT_ONCE:]
        if sessions:
            self._calls = {call for call in self._calls if call.active()}
            self._calls.add(self._clock.callLater(0, self._end_some, banned, sessions))

    def stop(self) -> None:
        """Stop ending sessions: the process stops and ends them all."""
        for call in self._calls:
            if call.active():
                call.cancel()
        self._calls.clear()


def _source(session: Session) -> bytes | None:
    """Return a client's address; None if it has none, or its PROXY header is not there yet."""
    return session.source[0] if isinstance(session.source, tuple) else announced_source(session.source)
