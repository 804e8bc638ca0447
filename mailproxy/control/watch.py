"""
Live events for clients that watch.

They are the events of the log, whatever its level. While nobody watches nothing is added to anything: the observer of
the log is there as long as there is a watcher. A watcher that does not read has a bounded number of bytes waiting;
beyond that, events are lost to it and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from mailproxy.control.message import encode
from mailproxy.log.format import as_json

WAITING_BYTES = 256 * 1024
"""What may wait for a watcher: about a second of events on a very busy service."""

_SERVERS = frozenset({"server", "no-server", "check", "header"})


class Watcher:
    """One client that watches, from `Watch.join` to `Watch.leave`."""

    def __init__(self, events: str, write: Callable[[bytes], object]) -> None:
        """`events` is what is told: "all", "sessions" or "servers"."""
        self._events = events
        self._write = write
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._is_paused = False

    def wants(self, event: LogEvent) -> bool:
        """Tell whether an event is to be told."""
        kind = event.get("event")
        if self._events == "sessions":
            return kind == "session"
        if self._events == "servers":
            return kind in _SERVERS
        return True

    def tell(self, line: bytes) -> None:
        """Write an event, or keep it while the client does not read, or count it as lost."""
        if not self._is_paused:
            self._write(line)
        elif self._lost or self._size + len(line) > WAITING_BYTES:
            self._lost += 1
        else:
            self._waiting.append(line)
            self._size += len(line)

    def pause(self) -> None:
        """Keep what comes from now on: the client does not read."""
        self._is_paused = True

    def resume(self) -> None:
        """Write what was kept, and then how much was lost."""
        self._is_paused = False
        while self._waiting and not self._is_paused:
            line = self._waiting.popleft()
            self._size -= len(line)
            self._write(line)
        if self._lost and not self._is_paused:
            lost, self._lost = self._lost, 0
            self._write(encode("lost", {"events": lost}))


class Publisher(Protocol):
    """What tells observers of events: `twisted.logger.LogPublisher`, or what adds those of other processes."""

    def addObserver(self, observer: Any) -> None:
        """Tell an observer from now on."""

    def removeObserver(self, observer: Any) -> None:
        """Tell an observer no more."""


@implementer(ILogObserver)
class Watch:
    """All watchers of a service, as one observer of its log."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._watchers: list[Watcher] = []

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self, watcher: Watcher) -> None:
        """Tell a watcher what happens from now on."""
        if not self._watchers:
            self._publisher.addObserver(self)
        self._watchers.append(watcher)

    def leave(self, watcher: Watcher) -> None:
        """Tell a watcher no more."""
        self._watchers.remove(watcher)
        if not self._watchers:
            self._publisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        """Tell an event to those who want it."""
        level = event.get("log_level", LogLevel.info)
        if not event.get("log_namespace", "").startswith("mailproxy"):
            return
        line = b""
        for watcher in tuple(self._watchers):
            if watcher.wants(event):
                line = line or _line(event, level.name)
                watcher.tell(line)


def _line(event: LogEvent, level: str) -> bytes:
    # The object that the log writes, with one more field in front.
    return b'{"type": "event", ' + as_json(event, level)[1:].encode() + b"\n"
