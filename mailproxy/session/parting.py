"""
The stages after the ending is decided: the refusal of a client that has no server, and parting.

The client gets what was said to it, then close_notify and FIN. When it has closed, too, or after `timeout.close`, the
socket is closed.
"""

from __future__ import annotations

from typing import Protocol

from mailproxy.session.stage import Host, Stage
from mailproxy.transport.poller import Ready
from mailproxy.transport.stream import VIEW, Stream

# A client that says more than these reads bring, before there is a server, may miss why the connection is closed.
DROPPED_READS = 16


class Refusing(Host, Protocol):
    """A session that refuses its client."""

    def refuse(self, words: bytes) -> None:
        """Say the last words, and part."""


class Refusal(Stage):
    """The wait for the first command of a client that was greeted before STARTTLS: the refusal is its answer."""

    __slots__ = ("_words",)

    _session: Refusing

    def __init__(self, session: Refusing, words: bytes) -> None:
        super().__init__(session)
        self._words = words

    def begin(self) -> None:
        """Read what the client says."""
        self._session.wait(self._session.terms.timeout.close)
        self._session.client.watch()

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_event

    def _on_event(self, events: int) -> None:
        """Refuse the client once it has said a line, or has ended."""
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
    """The wait for the client's end, behind ours."""

    __slots__ = ()

    def begin(self) -> None:
        """End writing, and read and drop what still comes."""
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
    """Read what the client has said so far: a socket closed with unread data resets, and our words may be lost."""
    try:
        for _ in range(DROPPED_READS):
            if client.fd < 0 or client.read_some() <= 0:
                return
    except OSError:
        return  # nobody reads our words
