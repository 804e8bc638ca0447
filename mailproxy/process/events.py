"""Sends the log events of workers to administrators who watch; without watchers, workers send none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, LogPublisher
from zope.interface import implementer

from mailproxy.control.watch import SESSIONS, LivePublisher
from mailproxy.process.message import Event


def event_of(event: LogEvent) -> Event:
    """Return the texts and numbers of an event, as a message."""
    fields = {key: value for key, value in event.items() if isinstance(value, str | int | float)}
    return Event(event.get("log_level", LogLevel.info).name, fields)


@implementer(ILogObserver)
class Forwarding:
    """Sends a worker's log events to the main process while they are wanted."""

    def __init__(self, publisher: LivePublisher, send: Callable[[Event], object]) -> None:
        self._publisher = publisher
        self._send = send
        self._is_on = False
        self._sends_sessions = False

    def switch(self, *, is_on: bool, sessions: bool) -> None:
        """Start or stop sending events, and those of sessions among them."""
        self._sends_sessions = sessions
        self._publisher.want_sessions(sessions)
        if is_on and not self._is_on:
            self._publisher.addObserver(self)
        elif self._is_on and not is_on:
            self._publisher.removeObserver(self)
        self._is_on = is_on

    def __call__(self, event: LogEvent) -> None:
        """Send an event."""
        is_wanted = self._sends_sessions or event.get("event") not in SESSIONS
        if is_wanted and event.get("log_namespace", "").startswith("mailproxy"):
            self._send(event_of(event))


class AllEvents:
    """The log events of the main process and its workers, for watchers."""

    def __init__(self, publisher: LogPublisher, switch: Callable[[bool, bool], object]) -> None:
        """`switch` reports to the workers whether there are watchers, and whether they want sessions."""
        self._publisher = publisher
        self._switch = switch
        self._observers: list[Any] = []
        self.wants_sessions = False

    @property
    def is_watched(self) -> bool:
        """True while there are watchers."""
        return bool(self._observers)

    def addObserver(self, observer: Any) -> None:
        """Send events to an observer from now on."""
        self._observers.append(observer)
        self._publisher.addObserver(observer)
        self._switch(True, self.wants_sessions)

    def removeObserver(self, observer: Any) -> None:
        """Stop sending events to an observer."""
        self._observers.remove(observer)
        self._publisher.removeObserver(observer)
        self._switch(self.is_watched, self.wants_sessions)

    def want_sessions(self, is_on: bool) -> None:
        """Send the beginnings and ends of workers' sessions as well, or stop that."""
        if is_on is not self.wants_sessions:
            self.wants_sessions = is_on
            self._switch(self.is_watched, is_on)

    def publish(self, event: Event) -> None:
        """Send an event of a worker to all observers."""
        logged = {**event.fields, "log_level": LogLevel.levelWithName(event.level)}
        for observer in tuple(self._observers):
            observer(logged)
