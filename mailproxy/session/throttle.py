"""
The limit on one direction of a session's bytes: a token bucket that pauses reading.

Only sessions with a limit have throttles: they stand between the poller and the streams, which know nothing of them.
One event reads up to 256 KiB, so the bytes of a slow limit come in bursts, with the right number over a few seconds.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.transport.stream import Stream

# A client that was idle may have the bytes of this time at once.
BURST_SECONDS = 1.0


class Throttle:
    """The limit on what is read from one stream."""

    def __init__(self, stream: Stream, rate: int, clock: IReactorTime) -> None:
        """`rate` is in bytes per second."""
        self._stream = stream
        self._rate = rate
        self._clock = clock
        self._left = rate * BURST_SECONDS
        self._filled = stream.poller.now
        self._call: IDelayedCall | None = None

    def on_event(self, events: int) -> None:
        """Let the stream handle its event, and pause it if it has read too much."""
        stream = self._stream
        before = stream.received
        stream.on_event(events)
        if stream.received != before:
            self._spend(stream.received - before)

    def _spend(self, count: int) -> None:
        stream, now = self._stream, self._stream.poller.now
        self._left = min(self._left + (now - self._filled) * self._rate, self._rate * BURST_SECONDS) - count
        self._filled = now
        if self._left < 0 and self._call is None and stream.fd >= 0:
            stream.is_held = True
            stream.watch()
            self._call = self._clock.callLater(-self._left / self._rate, self._go_on)

    def _go_on(self) -> None:
        self._call = None
        self._stream.is_held = False
        self._stream.poller.look_at_clock()
        self._stream.watch()

    def stop(self) -> None:
        """End the limit: the session is over, or its last bytes are on their way."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._stream.is_held = False

    def broke(self) -> None:
        """End the session because of a bug of ours while handling an event."""
        self._stream.broke()
