"""
One talk of our own with a server: reach it with a header, talk, leave; all of it within one deadline.

What is said is the talk's business, which has no sockets. A visit ends when the talk is done, and also when the server
is not reached, closes, or takes too long; its sender is called once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from mailproxy.checks.timeouts import Timeouts
from mailproxy.transport.outgoing import Header, Outgoing, Target
from mailproxy.transport.poller import Poller
from mailproxy.transport.stream import VIEW, Stream


class Talk(Protocol):
    """What is said on a visit; what came of it, the talk itself knows."""

    @property
    def done(self) -> bool:
        """True when nothing more is to be said or heard: the connection can be closed."""

    def receive(self, data: bytes) -> bytes:
        """Take what the server says, in any pieces; return what to send."""

    def end(self) -> None:
        """The server has closed the connection."""


@frozen
class Visited:
    """How a visit ended."""

    stage: str
    """How far it came: "connection", "TLS", or "talk" once the server was reached."""
    failure: str
    """Why it came no further, in a clause; "" when the talk was done, or the server closed while it talked."""
    is_late: bool
    """True if it took too long."""
    seconds: float
    """How long it took."""


class Visit:
    """One visit; `begin` starts it, `cancel` ends it without a word."""

    __slots__ = (
        "_begun",
        "_opening",
        "_outgoing",
        "_over",
        "_poller",
        "_seconds",
        "_stream",
        "_talk",
        "_timeouts",
    )

    def __init__(
        self,
        target: Target,
        header: Header,
        talk: Talk,
        seconds: float,
        over: Callable[[Visited], object],
        *,
        poller: Poller,
        timeouts: Timeouts,
        opening: bytes = b"",
    ) -> None:
        """
        Get ready to visit a target for `seconds` at most.

        `opening` is said first, to servers that wait for it. `over` hears of the end, perhaps before `begin` returns.
        """
        self._outgoing: Outgoing | None = Outgoing(self, target, header, poller)
        self._talk = talk
        self._seconds = seconds
        self._over = over
        self._poller = poller
        self._timeouts = timeouts
        self._opening = opening
        self._stream: Stream | None = None
        self._begun = 0.0

    def begin(self) -> None:
        """Set out."""
        assert self._outgoing is not None
        self._begun = self._poller.look_at_clock()
        self._timeouts.begin(self, self._seconds)
        self._outgoing.begin()

    def cancel(self) -> None:
        """Come back at once."""
        self._timeouts.end(self, self._seconds)
        if self._outgoing is not None:
            self._outgoing.cancel()
            self._outgoing = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def reached(self, stream: Stream) -> None:
        """Begin to talk."""
        self._outgoing = None
        self._stream = stream
        self._poller.ready[stream.fd] = self._on_event
        self._say(stream, self._opening)

    def unreached(self, error: OSError) -> None:
        """Come back: the server was not reached."""
        self._end(_reason(error))

    def _on_event(self, events: int) -> None:
        stream = self._stream
        assert stream is not None
        try:
            count = stream.read_some()
        except OSError as error:
            self._talk.end()
            self._end(_reason(error))
            return
        if count > 0:
            self._say(stream, self._talk.receive(bytes(VIEW[:count])))
        elif count < 0:
            self._talk.end()
            self._end("")

    def _say(self, stream: Stream, words: bytes) -> None:
        failure = ""
        if words:
            try:
                if stream.write_some(words) != len(words):
                    failure = "no room for a line"
            except OSError as error:
                failure = _reason(error)
        if failure or self._talk.done:
            self._end(failure)

    def expired(self) -> None:
        """Come back: this takes too long."""
        awaited = "answer" if self._outgoing is None else self._outgoing.stage
        self._end(f"no {awaited} within {self._seconds:g} s", is_late=True)

    def _end(self, failure: str, *, is_late: bool = False) -> None:
        stage = "talk" if self._outgoing is None else self._outgoing.stage
        self.cancel()
        self._over(Visited(stage, failure, is_late, self._poller.look_at_clock() - self._begun))

    def broke(self) -> None:
        """Come back, because of a bug of ours."""
        self._end("internal error")


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
