"""The limit on sessions at once."""

from __future__ import annotations

from mailproxy.transport.listener import Listener


class Capacity:
    """
    A limit on live sessions; listeners do not accept while it is reached.

    Clients beyond it wait in the kernel's queue, as with HAProxy's ``maxconn``.

    A frontend counts its own sessions in `live`, without a call for each: it calls `joined` and `left` where `live` is
    `noticed` or more after a session has joined, or before it leaves.
    """

    def __init__(self, name: str, maximum: int) -> None:
        self.name = name
        self.maximum = self.noticed = maximum
        self.live = 0
        self._listeners: list[Listener] = []

    @property
    def sessions(self) -> int:
        """The number of sessions, including other processes' if they share the limit."""
        return self.live

    def apply_to(self, listener: Listener) -> None:
        """Apply the limit to a listener."""
        self._listeners.append(listener)
        if self.live >= self.maximum:
            listener.pause(self.name)

    def release(self, listener: Listener) -> None:
        """Forget a listener that has stopped."""
        self._listeners.remove(listener)

    def resize(self, maximum: int) -> None:
        """Change the limit; sessions beyond it continue."""
        self.maximum = self.noticed = maximum
        for listener in self._listeners:
            if self.live >= maximum:
                listener.pause(self.name)
            else:
                listener.resume(self.name)

    def join(self) -> None:
        """Count a session in."""
        self.live += 1
        if self.live >= self.noticed:
            self.joined()

    def leave(self) -> None:
        """Count a session out."""
        self.live -= 1
        if self.live + 1 >= self.noticed:
            self.left()

    def joined(self) -> None:
        """Pause if the limit is reached: `live` has a session more."""
        if self.live == self.maximum:
            for listener in self._listeners:
                listener.pause(self.name)

    def left(self) -> None:
        """Resume if there is room again: `live` has a session less."""
        if self.live + 1 == self.maximum:
            for listener in self._listeners:
                listener.resume(self.name)
