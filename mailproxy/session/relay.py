"""
The stage in which client and server speak with each other.

The two streams relay by themselves: each event goes directly to a method of its stream. The stage handles rare events:
the end of one side, a broken connection, and silence.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.mail.refusal import goodbye
from mailproxy.session.login_watch import LoginWatch
from mailproxy.session.stage import Host, Stage
from mailproxy.session.termination import (
    CLIENT_LEFT,
    CLIENT_SILENT,
    DONE,
    FLOODED,
    GUESSED,
    SERVER_LEFT,
    SERVER_SILENT,
    Ending,
    Letter,
)
from mailproxy.session.throttle import Throttle
from mailproxy.transport.poller import READ, Ready
from mailproxy.transport.stream import FLOOD, MESSAGE_IN_PIECES, RENEGOTIATION, VIEW, Stream

# A session without a byte for these seconds is probably between two commands.
QUIET_SECONDS = 1.0

# A server silent this long after a line end is between responses.
PAUSE_SECONDS = 0.1

_LINE_END = 0x0A

_TOO_MANY_LOGINS = "Too many failed logins, try again later"


class Relaying(Host, Protocol):
    """A session that has a server."""

    backend: Backend | None
    held_server: BackendServer | None
    greeted: float
    first_to_end: str

    def logins_refused(self, count: int) -> None:
        """Count logins that the server has refused."""


class Relay(Stage):
    """A client and its server."""

    __slots__ = ("_client", "_stream", "_throttles")

    _session: Relaying

    def __init__(self, session: Relaying, stream: Stream) -> None:
        self._session = session  # as Stage does; super() takes longer than all this
        self._client = session.client
        self._stream = stream
        self._throttles: tuple[Throttle, Throttle] | None = None

    def limit(self, rate: int, clock: IReactorTime) -> None:
        """Limit the bytes per second, each way; call it before the stage is entered."""
        self._throttles = Throttle(self._client, rate, clock), Throttle(self._stream, rate, clock)

    def begin(self, greeting: int, pending: bytes) -> None:
        """Join both sides: `greeting` bytes are in the shared buffer, and `pending` is for the server."""
        session = self._session
        client, stream = self._client, self._stream
        client.peer = stream
        stream.peer = client
        replies = session.terms.refused_logins
        handle = stream.on_event if self._throttles is None else self._throttles[1].on_event
        session.poller.ready[stream.fd] = (
            handle if replies is None else LoginWatch(session, stream, replies, handle).on_event
        )
        session.greeted = client.active = session.poller.now
        session.wait(session.terms.silence)
        if greeting:
            stream.last_byte = VIEW[greeting - 1]
            client.put(greeting)
        if pending and stream.fd >= 0:
            stream.put_own(pending)
        if client.fd >= 0 and client.events != READ:  # not so after early bytes
            client.watch()

    @property
    def ready(self) -> Ready:
        """The client's stream itself, so that the poller calls it directly; or its limit."""
        return self._client.on_event if self._throttles is None else self._throttles[0].on_event

    @property
    def letter(self) -> Letter:
        """HAProxy's letter for data."""
        return "D"

    def _patience(self) -> tuple[float, Ending]:
        """Return the remaining seconds until silence ends the session, and the ending for the side that is silent."""
        client, stream = self._client, self._stream
        timeout = self._session.terms.timeout
        now = self._session.poller.now
        half_closed = client.read_ended or client.write_ended
        client_left = client.active + (timeout.client_fin if half_closed else timeout.client) - now
        half_closed = stream.read_ended or stream.write_ended
        server_left = stream.active + (timeout.server_fin if half_closed else timeout.server) - now
        return (client_left, CLIENT_SILENT) if client_left <= server_left else (server_left, SERVER_SILENT)

    def expired(self) -> None:
        """End if one side was silent for too long; else wait for the rest of its time."""
        seconds, ending = self._patience()
        if seconds > 0:
            self._session.wait(seconds)
        else:
            side = "client" if ending is CLIENT_SILENT else "server"
            self._session.part(ending, f"the {side} was silent for too long")

    def ended(self, stream: Stream) -> None:
        """Note which side ended first; the other side may then be silent for a shorter time."""
        session = self._session
        session.first_to_end = session.first_to_end or ("client" if stream is self._client else "server")
        if self._client.active == self._stream.active:
            # Bytes or ends have just moved on both sides, as at most ends: that needs no look at each timeout. If this
            # is too early, `expired` waits for the rest.
            session.wait(session.terms.silence_at_end)
        else:
            seconds, _ = self._patience()
            session.wait(max(seconds, 0.0))

    def failed(self, stream: Stream, reason: str) -> None:
        """End a session with a broken side; the server's last bytes still reach the client."""
        session = self._session
        is_client = stream is self._client
        server_ended = session.first_to_end == "server"
        if reason in (FLOOD, RENEGOTIATION, MESSAGE_IN_PIECES):
            if is_client:
                session.lose(FLOODED, f"client: {reason}")
            else:
                session.part(FLOODED, f"server: {reason}")
        elif is_client and server_ended and not stream.backlog:
            # The server had finished and all bytes were delivered: how the client closes does not matter.
            session.lose(DONE, "")
        elif is_client:
            session.lose(CLIENT_LEFT, reason)
        elif server_ended:
            session.part(DONE, "")
        else:
            session.part(SERVER_LEFT, reason)

    @property
    def is_quiet(self) -> bool:
        """
        True if closing now interrupts nothing visible: no recent bytes, and none in transit.

        This uses the poller's clock, which the caller has to update.
        """
        return self._has_been_quiet_for(QUIET_SECONDS)

    def _has_been_quiet_for(self, seconds: float) -> bool:
        client, stream = self._client, self._stream
        moved = max(client.active, stream.active)
        return not client.backlog and not stream.backlog and self._session.poller.now - moved >= seconds

    @property
    def farewell(self) -> bytes:
        """The goodbye of the protocol, if the server's last byte seems to end a line."""
        may_interrupt = self._is_after_line and self._has_been_quiet_for(PAUSE_SECONDS)
        return self._session.terms.goodbye if may_interrupt else b""

    @property
    def _is_after_line(self) -> bool:
        """True if the server's last byte ends a line, and the client has not seen the server's close."""
        return self._stream.last_byte == _LINE_END and not self._client.finishing

    def refuse_more_logins(self, count: int) -> None:
        """End, after the server's reply that refuses a login, which the client has."""
        session = self._session
        if self._is_after_line and (words := goodbye(session.terms.protocol, _TOO_MANY_LOGINS)):
            self._client.put_own(words)
        session.part(GUESSED, f"refused logins: {count}")

    def leave(self) -> None:
        """Close the server's side, and give the place on the server back."""
        session = self._session
        for throttle in self._throttles or ():
            throttle.stop()
        self._stream.close()
        server = session.held_server
        if server is not None:
            assert session.backend is not None
            session.held_server = None
            session.backend.pool.leave(server, session.poller.now)
