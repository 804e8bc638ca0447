"""What has an answer that changes, shared by all who want it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

Listener = Callable[[], None]


class Source(ABC):
    """Something that changes, and tells its listeners (mutable)."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def tell(self) -> None:
        """Tell every listener; one that leaves meanwhile hears nothing."""
        for listener in tuple(self.listeners):
            if listener in self.listeners:
                listener()

    @abstractmethod
    def stop(self) -> None:
        """End it: nobody listens any more."""


K = TypeVar("K")
S = TypeVar("S", bound=Source)


class Shared(Generic[K, S]):
    """Sources by key: each is made for its first listener, and stopped after its last."""

    def __init__(self, make: Callable[[K], S]) -> None:
        self._make = make
        self._sources: dict[K, S] = {}

    def join(self, key: K, listener: Listener) -> S:
        """Listen to a source."""
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = self._make(key)
        source.listeners.append(listener)
        return source

    def leave(self, key: K, listener: Listener) -> None:
        """Listen no more."""
        source = self._sources[key]
        source.listeners.remove(listener)
        if not source.listeners:
            del self._sources[key]
            source.stop()
