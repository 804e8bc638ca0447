"""
The bytes of live sessions, counted every few seconds.

Sessions of mail last for hours. Without this, their bytes would be counted all at once, when they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.session.session import Session
from mailproxy.session.tally import count_live

COUNT_SECONDS = 5.0

# So many take a quarter of a millisecond; the loop handles other events before the next ones.
SESSIONS_PER_TURN = 500


class LiveBytes:
    """Counts the bytes of all live sessions of this process, again and again."""

    def __init__(self, sessions: Callable[[], Iterable[Session]], clock: IReactorTime) -> None:
        """`sessions` returns the sessions; some may end before they are counted."""
        self._sessions = sessions
        self._clock = clock
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to count."""
        self._call = self._clock.callLater(COUNT_SECONDS, self._begin)

    def stop(self) -> None:
        """Count no more; a session that ends is still counted in full."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _begin(self) -> None:
        self._go_on(iter(list(self._sessions())))

    def _go_on(self, sessions: Iterator[Session]) -> None:
        some = list(islice(sessions, SESSIONS_PER_TURN))
        count_live(some)
        if len(some) < SESSIONS_PER_TURN:
            self.start()
        else:
            self._call = self._clock.callLater(0, self._go_on, sessions)
