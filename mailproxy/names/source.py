"""A changing answer that several listeners share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

Listener = Callable[[], None]


class Source(ABC):
    """Something that changes and calls its listeners (mutable)."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def tell(self) -> None:
        """Call every listener, except those that leave meanwhile."""
        for listener in tuple(self.listeners):
            if listener in self.listeners:
                listener()

    @abstractmethod
    def stop(self) -> None:
        """End it: the last listener has left."""


K = TypeVar("K")
S = TypeVar("S", bound=Source)


class Shared(Generic[K, S]):
    """Sources by key: each is made for its first listener, and stopped after its last."""

    def __init__(self, make: Callable[[K], S]) -> None:
        self._make = make
        self._sources: dict[K, S] = {}

    def join(self, key: K, listener: Listener) -> S:
        """Add a listener to a source."""
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = self._make(key)
        source.listeners.append(listener)
        return source

    def leave(self, key: K, listener: Listener) -> None:
        """Remove a listener."""
        source = self._sources[key]
        source.listeners.remove(listener)
        if not source.listeners:
            del self._sources[key]
            source.stop()
