"""The newest events, without those of single clients: what an administrator asks about first."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from mailproxy.control.watch import SESSIONS, Publisher

MAX_EVENTS = 40
"""The events that are kept."""

LONGEST = 400
"""The most characters of an event's words."""

_OF_CLIENTS = SESSIONS | {"rejected"}
"""The lines of single clients are for the log: in a flood they would push all else out. Their sums are here."""

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
    """Keeps the newest events of the log, of all processes if the publisher has them."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._kept: deque[Newest] = deque(maxlen=MAX_EVENTS)

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
        level, kind = event.get("log_level", LogLevel.info), event.get("event", "")
        if not namespace.startswith("mailproxy") or kind in _OF_CLIENTS or level is LogLevel.debug:
            return
        if not kind and level not in _SEVERE:
            return
        self._kept.append(Newest(event.get("log_time", time.time()), level.name, kind, formatEvent(event)[:LONGEST]))
