"""
Watches a server's first bytes for refused logins, where a rule or the log asks for them.

Theory of operation. The watch gets the events of the server's socket in place of its stream, lets the stream handle
each, and then looks at what it has read, which is still in the shared buffer: the client has the bytes already. After
`WATCHED_BYTES`, or when a login has succeeded, the stream gets its events directly, and the relay costs what it costs
without a watch.
"""

from __future__ import annotations

import re
from typing import Protocol

from mailproxy.mail.refused_logins import RefusedLogins
from mailproxy.transport.poller import Poller, Ready
from mailproxy.transport.stream import VIEW, Stream

WATCHED_BYTES = 16384
"""The most bytes of a server that are looked at: a client can hide logins after them, in each connection anew."""

EVENT_BYTES = 64
"""Each read counts as these bytes more, so that short lines are looked at 256 times at most."""


class Watching(Protocol):
    """A session whose logins are watched."""

    poller: Poller

    def logins_refused(self, count: int) -> None:
        """Count logins that the server has refused."""

    def broke(self) -> None:
        """End at once, because of a bug of ours."""


class LoginWatch:
    """Counts refused logins in what one server says."""

    __slots__ = ("_handle", "_left", "_logins", "_session", "_stream")

    def __init__(self, session: Watching, stream: Stream, replies: re.Pattern[bytes], handle: Ready) -> None:
        """`handle` handles the stream's events, and gets them directly afterwards."""
        self._handle = handle
        self._session = session
        self._stream = stream
        self._logins = RefusedLogins(replies)
        self._left = WATCHED_BYTES

    def on_event(self, events: int) -> None:
        """Let the stream handle an event, and look at what it has read."""
        stream = self._stream
        before = stream.received
        self._handle(events)
        count = stream.received - before
        if count:
            logins = self._logins
            if refused := logins.receive(VIEW[: min(count, self._left)]):
                self._session.logins_refused(refused)
            self._left -= count + EVENT_BYTES
            if (self._left <= 0 or logins.is_over) and stream.fd >= 0:
                self._session.poller.ready[stream.fd] = self._handle

    def broke(self) -> None:
        """End the session because of a bug of ours while handling an event."""
        self._session.broke()
