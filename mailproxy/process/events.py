"""Events of the log, from workers to administrators who watch: they are told of none while nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, LogPublisher
from zope.interface import implementer

from mailproxy.process.message import Event


def event_of(event: LogEvent) -> Event:
    """Return what can be told of an event: texts and numbers."""
    fields = {key: value for key, value in event.items() if isinstance(value, str | int | float)}
    return Event(event.get("log_level", LogLevel.info).name, fields)


@implementer(ILogObserver)
class Forwarding:
    """Tells the main process of a worker's events while it wants them."""

    def __init__(self, publisher: LogPublisher, tell: Callable[[Event], object]) -> None:
        self._publisher = publisher
        self._tell = tell
        self._is_on = False

    def switch(self, *, is_on: bool) -> None:
        """Tell from now on, or no more."""
        if is_on and not self._is_on:
            self._publisher.addObserver(self)
        elif self._is_on and not is_on:
            self._publisher.removeObserver(self)
        self._is_on = is_on

    def __call__(self, event: LogEvent) -> None:
        """Tell of an event of the service."""
        if event.get("log_namespace", "").startswith("mailproxy"):
            self._tell(event_of(event))


class AllEvents:
    """The events of the main process and those of its workers, for those who watch."""

    def __init__(self, publisher: LogPublisher, switch: Callable[[bool], object]) -> None:
        """`switch` tells the workers whether anybody watches."""
        self._publisher = publisher
        self._switch = switch
        self._observers: list[Any] = []

    @property
    def is_watched(self) -> bool:
        """True while anybody watches."""
        return bool(self._observers)

    def addObserver(self, observer: Any) -> None:
        """Tell an observer from now on."""
        self._observers.append(observer)
        self._publisher.addObserver(observer)
        self._switch(True)

    def removeObserver(self, observer: Any) -> None:
        """Tell an observer no more."""
        self._observers.remove(observer)
        self._publisher.removeObserver(observer)
        self._switch(self.is_watched)

    def tell(self, event: Event) -> None:
        """Tell of an event of a worker."""
        told = {**event.fields, "log_level": LogLevel.levelWithName(event.level)}
        for observer in tuple(self._observers):
            observer(told)
