"""
A connection of mailproxy's own to a server: connect, send a PROXY header, exchange lines, close, within one deadline.

A probe says what to send and judges what comes; it has no socket. The connection ends when the probe is done, when the
server cannot be reached or closes, and at the deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from mailproxy.checks.timeouts import Timeouts
from mailproxy.transport.outgoing import HeaderSource, Outgoing, Target
from mailproxy.transport.poller import Poller
from mailproxy.transport.stream import VIEW, Stream


class Probe(Protocol):
    """What a connection says to a server; it keeps what it learns (mutable; one per connection)."""

    @property
    def done(self) -> bool:
        """True when the connection can be closed: there is nothing more to send or to receive."""

    def receive(self, data: bytes) -> bytes:
        """Take the server's bytes, in any pieces; return what to send."""

    def end(self) -> None:
        """The server has closed the connection."""


@frozen
class ConnectionEnd:
    """How a connection ended."""

    stage: str
    """What it waited for: "connection", "TLS", or "answer" once the server was reached."""
    failure: str
    """Why it failed, in a clause; "" when the probe was done or the server closed in the stage "answer"."""
    is_late: bool
    """True if the deadline passed."""
    seconds: float
    """How long the connection took."""


class ProbeConnection:
    """One connection for one probe; `begin` starts it, `cancel` ends it without calling `over`."""

    __slots__ = (
        "_begun",
        "_opening",
        "_outgoing",
        "_over",
        "_poller",
        "_probe",
        "_seconds",
        "_stream",
        "_timeouts",
    )

    def __init__(
        self,
        target: Target,
        header: HeaderSource,
        probe: Probe,
        seconds: float,
        over: Callable[[ConnectionEnd], object],
        *,
        poller: Poller,
        timeouts: Timeouts,
        opening: bytes = b"",
    ) -> None:
        """
        Prepare a connection to `target` for `seconds` at most.

        `opening` is sent first, to a server that waits for it. `over` is called once at the end, perhaps before `begin`
        returns.
        """
        self._outgoing: Outgoing | None = Outgoing(self, target, header, poller)
        self._probe = probe
        self._seconds = seconds
        self._over = over
        self._poller = poller
        self._timeouts = timeouts
        self._opening = opening
        self._stream: Stream | None = None
        self._begun = 0.0

    def begin(self) -> None:
        """Connect."""
        assert self._outgoing is not None
        self._begun = self._poller.look_at_clock()
        self._timeouts.begin(self, self._seconds)
        self._outgoing.begin()

    def cancel(self) -> None:
        """Close at once."""
        self._timeouts.end(self, self._seconds)
        if self._outgoing is not None:
            self._outgoing.cancel()
            self._outgoing = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def reached(self, stream: Stream) -> None:
        """The server is reached, TLS and header included: send the opening."""
        self._outgoing = None
        self._stream = stream
        self._poller.ready[stream.fd] = self._on_event
        self._send(stream, self._opening)

    def unreached(self, error: OSError) -> None:
        """The server cannot be reached."""
        self._end(_reason(error))

    def _on_event(self, events: int) -> None:
        stream = self._stream
        assert stream is not None
        try:
            count = stream.read_some()
        except OSError as error:
            self._probe.end()
            self._end(_reason(error))
            return
        if count > 0:
            self._send(stream, self._probe.receive(bytes(VIEW[:count])))
        elif count < 0:
            self._probe.end()
            self._end("")

    def _send(self, stream: Stream, data: bytes) -> None:
        failure = ""
        if data:
            try:
                if stream.write_some(data) != len(data):
                    failure = "the server does not read"
            except OSError as error:
                failure = _reason(error)
        if failure or self._probe.done:
            self._end(failure)

    @property
    def _stage(self) -> str:
        return "answer" if self._outgoing is None else self._outgoing.stage

    def expired(self) -> None:
        """The deadline has passed."""
        self._end(f"no {self._stage} within {self._seconds:g} s", is_late=True)

    def _end(self, failure: str, *, is_late: bool = False) -> None:
        stage = self._stage
        self.cancel()
        self._over(ConnectionEnd(stage, failure, is_late, self._poller.look_at_clock() - self._begun))

    def broke(self) -> None:
        """An exception was raised in `_on_event`: a bug of ours."""
        self._end("internal error")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
