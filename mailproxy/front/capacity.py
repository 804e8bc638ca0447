"""How many sessions there may be at once."""

from __future__ import annotations

from mailproxy.transport.listener import Listener


class Capacity:
    """
    A bound on live sessions, which stops listeners from accepting while it is reached.

    Clients beyond it wait in the kernel's queue, as with HAProxy's ``maxconn``.
    """

    def __init__(self, name: str, maximum: int) -> None:
        self.name = name
        self.maximum = maximum
        self.live = 0
        self._listeners: list[Listener] = []

    @property
    def sessions(self) -> int:
        """How many there are, of other processes as well where these have the bound together."""
        return self.live

    def bound(self, listener: Listener) -> None:
        """Let a listener bring no more sessions than this."""
        self._listeners.append(listener)
        if self.live >= self.maximum:
            listener.pause(self.name)

    def release(self, listener: Listener) -> None:
        """Forget a listener that has stopped."""
        self._listeners.remove(listener)

    def resize(self, maximum: int) -> None:
        """Change the bound; sessions beyond it live on."""
        self.maximum = maximum
        for listener in self._listeners:
            if self.live >= maximum:
                listener.pause(self.name)
            else:
                listener.resume(self.name)

    def join(self) -> None:
        """Count a session in."""
        self.live += 1
        if self.live == self.maximum:
            for listener in self._listeners:
                listener.pause(self.name)

    def leave(self) -> None:
        """Count a session out."""
        if self.live == self.maximum:
            for listener in self._listeners:
                listener.resume(self.name)
        self.live -= 1
