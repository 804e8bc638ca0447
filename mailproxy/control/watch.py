"""
Live events for clients that watch.

They are the events of the log, of all levels, and sessions that begin. The log has an observer only while a client
watches, so without watchers they cost nothing. For a watcher that does not read, a bounded number of bytes waits;
further events are lost to it and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from mailproxy.control.backlog import Backlog
from mailproxy.log.format import as_json

SESSIONS = frozenset({"session-begin", "session"})
"""The events of sessions: most of a busy service."""

_SESSIONLESS = frozenset({"servers", "service"})
"""What can be watched without sessions; see `Watcher`."""

_SERVERS = frozenset({"server", "no-server", "check", "header"})


class Watcher:
    """One client that watches, from `Watch.join` to `Watch.leave`."""

    def __init__(self, events: str, write: Callable[[bytes], object]) -> None:
        """`events` selects the events: "all", "sessions", "servers", or "service" for all but sessions."""
        self._events = events
        self.wants_sessions = events not in _SESSIONLESS
        """Whether any session's beginning or end is wanted."""
        self._write = write
        self._backlog = Backlog()
        self._is_paused = False

    def wants(self, event: LogEvent) -> bool:
        """Return whether the watcher wants an event."""
        kind = event.get("event")
        if self._events == "sessions":
            return kind in SESSIONS
        if self._events == "servers":
            return kind in _SERVERS
        return self.wants_sessions or kind not in SESSIONS

    def send(self, line: bytes) -> None:
        """Write an event, or keep it while the client does not read, or count it as lost."""
        if not self._is_paused:
            self._write(line)
        else:
            self._backlog.add(line)

    def pause(self) -> None:
        """Keep further events: the client does not read."""
        self._is_paused = True

    def resume(self) -> None:
        """Write the kept events, and then the number of lost ones."""
        self._is_paused = False
        while self._backlog and not self._is_paused:
            self._write(self._backlog.pop())


class Publisher(Protocol):
    """Sends events to observers: `twisted.logger.LogPublisher`, or one that adds the events of other processes."""

    def addObserver(self, observer: Any) -> None:
        """Send events to an observer from now on."""

    def removeObserver(self, observer: Any) -> None:
        """Stop sending events to an observer."""


class LivePublisher(Publisher, Protocol):
    """Sends events of sessions only while they are wanted: there may be thousands a second."""

    def want_sessions(self, is_on: bool) -> None:
        """Send the beginnings and ends of sessions to observers as well, or stop that."""


def _ignore(is_on: bool) -> None:
    """Do nothing: the publisher sends what it has."""


@implementer(ILogObserver)
class Watch:
    """All watchers of a service, as one observer of its log."""

    def __init__(self, publisher: Publisher, want_sessions: Callable[[bool], object] = _ignore) -> None:
        """`want_sessions` tells the publisher whether a watcher wants sessions."""
        self._publisher = publisher
        self._want_sessions = want_sessions
        self._watchers: list[Watcher] = []

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self, watcher: Watcher) -> None:
        """Send events to a watcher from now on."""
        if not self._watchers:
            self._publisher.addObserver(self)
        self._watchers.append(watcher)
        self._tell_wish()

    def leave(self, watcher: Watcher) -> None:
        """Stop sending events to a watcher."""
        self._watchers.remove(watcher)
        self._tell_wish()
        if not self._watchers:
            self._publisher.removeObserver(self)

    def _tell_wish(self) -> None:
        self._want_sessions(any(watcher.wants_sessions for watcher in self._watchers))

    def __call__(self, event: LogEvent) -> None:
        """Send an event to the watchers that want it."""
        level = event.get("log_level", LogLevel.info)
        if not event.get("log_namespace", "").startswith("mailproxy"):
            return
        line = b""
        for watcher in tuple(self._watchers):
            if watcher.wants(event):
                line = line or _line(event, level.name)
                watcher.send(line)


def _line(event: LogEvent, level: str) -> bytes:
    # The JSON object of the log line, with one more field at the front.
    return b'{"type": "event", ' + as_json(event, level)[1:].encode() + b"\n"
