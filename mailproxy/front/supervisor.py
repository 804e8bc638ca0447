"""What started the service and wants to know how it gets on, such as systemd."""

from __future__ import annotations

from typing import Protocol


class Supervisor(Protocol):
    """Is called at the steps in the life of a service."""

    def ready(self) -> None:
        """The service accepts clients; or a reload is over, with whatever result."""

    def reloading(self) -> None:
        """A reload begins."""

    def stopping(self, seconds: float, *, keeps_sockets: bool) -> bool:
        """
        The service stops, within some seconds. Return whether the listening sockets stay open elsewhere.

        `keeps_sockets`: clients may wait in the kernel's queues for the next process.
        """


class Unsupervised:
    """Nobody wants to know."""

    def ready(self) -> None:
        """Do nothing."""

    def reloading(self) -> None:
        """Do nothing."""

    def stopping(self, seconds: float, *, keeps_sockets: bool) -> bool:
        """Return False: nobody has the sockets."""
        return False
