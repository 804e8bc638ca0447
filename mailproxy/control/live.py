"""The source of live events of one process: the log, and the sessions that begin, which the log does not have."""

from __future__ import annotations

from twisted.logger import ILogObserver, LogPublisher

from mailproxy.session.log import SessionLog


class LiveEvents:
    """Sends events to observers; without any, neither the log nor the sessions do anything for it."""

    def __init__(self, publisher: LogPublisher, sessions: SessionLog) -> None:
        self._publisher = publisher
        self._sessions = sessions
        self._observers: list[ILogObserver] = []
        self._wants_sessions = False

    def addObserver(self, observer: ILogObserver) -> None:
        """Send events to an observer from now on."""
        self._publisher.addObserver(observer)
        self._observers.append(observer)
        self._set_watchers()

    def removeObserver(self, observer: ILogObserver) -> None:
        """Stop sending events to an observer."""
        self._publisher.removeObserver(observer)
        self._observers.remove(observer)
        self._set_watchers()

    def want_sessions(self, is_on: bool) -> None:
        """Send the beginnings of sessions as well, or stop that."""
        self._wants_sessions = is_on
        self._set_watchers()

    def _set_watchers(self) -> None:
        self._sessions.watchers[:] = self._observers if self._wants_sessions else []
