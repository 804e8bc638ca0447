"""The newest events, without those of sessions that went well: what an administrator asks about first."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel, LogPublisher, formatEvent
from zope.interface import implementer

MOST = 40
"""The events that are kept."""

LONGEST = 400
"""The most characters of an event's words."""

_SEVERE = frozenset({LogLevel.warn, LogLevel.error, LogLevel.critical})


@frozen
class Newest:
    """One event."""

    at: float
    """The time, in seconds of the epoch."""
    level: str
    kind: str
    words: str


@implementer(ILogObserver)
class NewestEvents:
    """Keeps the newest events of this process's log."""

    def __init__(self, publisher: LogPublisher) -> None:
        self._publisher = publisher
        self._kept: deque[Newest] = deque(maxlen=MOST)

    @property
    def kept(self) -> tuple[Newest, ...]:
        """The events, the newest one first."""
        return tuple(reversed(self._kept))

    def start(self) -> None:
        """Begin."""
        self._publisher.addObserver(self)

    def stop(self) -> None:
        """Keep no more."""
        self._publisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        """Take an event of the log."""
        namespace: Any = event.get("log_namespace", "")
        level = event.get("log_level", LogLevel.info)
        # A session's line is for the log; those that went wrong would push all else out as well.
        if not namespace.startswith("mailproxy") or event.get("event") == "session" or level is LogLevel.debug:
            return
        if namespace != "mailproxy" and level not in _SEVERE:
            return
        words = formatEvent(event)[:LONGEST]
        self._kept.append(Newest(event.get("log_time", time.time()), level.name, str(event.get("event", "")), words))
