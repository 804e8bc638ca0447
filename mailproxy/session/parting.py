"""
The stages after the ending is decided: the refusal of a client that has no server, and parting.

The client gets all pending bytes, then close_notify and FIN. The socket is closed when the client has closed, too, or
after `timeout.close`.
"""

from __future__ import annotations

from typing import Protocol

from mailproxy.session.stage import Host, Stage
from mailproxy.transport.poller import Ready
from mailproxy.transport.stream import VIEW, Stream

# A client that has sent more than these reads bring before there is a server may not get the reason for the close.
DROPPED_READS = 16


class Refusing(Host, Protocol):
    """A session that refuses its client."""

    def refuse(self, words: bytes) -> None:
        """Send the last words, and part."""


class Refusal(Stage):
    """The wait for the first command of a client that was greeted before STARTTLS: the refusal is its answer."""

    __slots__ = ("_words",)

    _session: Refusing

    def __init__(self, session: Refusing, words: bytes) -> None:
        super().__init__(session)
        self._words = words

    def begin(self) -> None:
        """Read from the client."""
        self._session.wait(self._session.terms.timeout.close)
        self._session.client.watch()

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_event

    def _on_event(self, events: int) -> None:
        """Refuse the client once it has sent a line, or has closed."""
        try:
            count = self._session.client.read_some()
        except OSError:
            self._session.close()
            return
        if count < 0 or b"\n" in bytes(VIEW[: max(count, 0)]):
            self._session.refuse(self._words)

    def expired(self) -> None:
        """Refuse the client unasked."""
        self._session.refuse(self._words)


class Parting(Stage):
    """The wait for the client's close, after ours."""

    __slots__ = ()

    def begin(self) -> None:
        """End writing, and read and drop further bytes."""
        self._session.wait(self._session.terms.timeout.close)
        self._session.client.linger()

    @property
    def ready(self) -> Ready:
        """The client's stream itself, which drops what it reads."""
        return self._session.client.on_last_event

    def expired(self) -> None:
        """Close: the client takes too long."""
        self._session.close()


def drop_unread(client: Stream) -> None:
    """
    Read the client's bytes so far: closing a socket with unread data sends a reset, and our last words may be lost.
    """
    try:
        for _ in range(DROPPED_READS):
            if client.fd < 0 or client.read_some() <= 0:
                return
    except OSError:
        return  # the client has gone
