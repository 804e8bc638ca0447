"""The stop of all workers, whose sessions end within the times of the service's stop."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.front.generation import Generation
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.sockets import Sockets
from mailproxy.process.workers import Workers


class WorkersStop:
    """Stops the workers, and the main process's generation after them (mutable)."""

    def __init__(
        self, workers: Workers, generation: Generation, sockets: Sockets, times: StopTimes, clock: IReactorTime
    ) -> None:
        self._workers = workers
        self._generation = generation
        self._sockets = sockets
        self._times = times
        self._clock = clock
        self._closing: IDelayedCall | None = None

    def begin(self) -> Deferred[None]:
        """Begin; the Deferred fires when all workers have ended."""
        # Workers accept until then, so the files of UNIX sockets stay.
        self._closing = self._clock.callLater(self._times.delay, self._sockets.close)
        return self._workers.stop(self._times).addCallback(self._all_ended)

    def hurry(self) -> None:
        """Have the workers end all sessions now."""
        self._workers.stop_now()

    def _all_ended(self, nothing: None) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._sockets.close()
        self._generation.retire()
