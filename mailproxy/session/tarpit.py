"""The tarpit: a client that a rule refuses waits first, and costs an attacker a connection for that time."""

from __future__ import annotations

from collections.abc import Callable

from mailproxy.session.early import leave_early_bytes
from mailproxy.session.stage import Host, Stage
from mailproxy.transport.poller import Ready

MAX_CLIENTS = 1000
"""The most clients of a process that wait: an attacker with many addresses must not take the places of all others."""


class Places:
    """The places of one process for waiting clients (mutable)."""

    def __init__(self, most: int = MAX_CLIENTS) -> None:
        self._most = most
        self.taken = 0
        """The clients that wait."""

    @property
    def is_full(self) -> bool:
        """True if no further client may wait."""
        return self.taken >= self._most


class Tarpit(Stage):
    """The wait of one client; its bytes stay in the socket."""

    __slots__ = ("_places", "_seconds", "_then")

    def __init__(self, session: Host, places: Places, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` after `seconds`."""
        super().__init__(session)
        self._places = places
        self._seconds = seconds
        self._then = then

    def begin(self) -> None:
        """Wait."""
        self._places.taken += 1
        self._session.wait(self._seconds)

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_event

    def _on_event(self, events: int) -> None:
        leave_early_bytes(self._session, events)

    def expired(self) -> None:
        """Refuse the client, whose bytes may be read from now on."""
        self._session.client.watch()
        self._then()

    def leave(self) -> None:
        """Give the place back."""
        self._places.taken -= 1
