"""A changing answer that several observers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

Observer = Callable[[], None]


class Source(ABC):
    """Something that changes and calls its observers (mutable)."""

    def __init__(self) -> None:
        self.observers: list[Observer] = []

    def notify(self) -> None:
        """Call every observer, except those that leave meanwhile."""
        for observer in tuple(self.observers):
            if observer in self.observers:
                observer()

    @abstractmethod
    def stop(self) -> None:
        """End it: the last observer has left."""


K = TypeVar("K")
S = TypeVar("S", bound=Source)


class Shared(Generic[K, S]):
    """Sources by key: each is made for its first observer, and stopped after its last."""

    def __init__(self, make: Callable[[K], S]) -> None:
        self._make = make
        self._sources: dict[K, S] = {}

    def join(self, key: K, observer: Observer) -> S:
        """Add an observer to a source."""
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = self._make(key)
        source.observers.append(observer)
        return source

    def leave(self, key: K, observer: Observer) -> None:
        """Remove an observer."""
        source = self._sources[key]
        source.observers.remove(observer)
        if not source.observers:
            del self._sources[key]
            source.stop()
