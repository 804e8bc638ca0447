"""The end of a takeover: the process whose listening sockets this one has taken leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.control.predecessor import Predecessor
from mailproxy.control.takeover import StillServes
from mailproxy.front.background_thread import BackgroundThread


class TakeoverEnd:
    """Tells the previous process to leave, and waits for that in a thread."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        background: BackgroundThread,
        *,
        left: Callable[[], object],
        keeps: Callable[[], object],
        monotonic: Callable[[], float],
    ) -> None:
        """`left` is called when the previous process is known to leave, `keeps` if it continues to accept."""
        self._background = background
        self._left = left
        self._keeps = keeps
        self._monotonic = monotonic
        self.is_under_way = False
        """True until the previous process is known to leave."""
        self.predecessor: Predecessor | None = None
        """The process that this one has replaced; None: there was none."""

    def begin(self, process: int, finish: Callable[[], float | None], inherited: Iterable[str] = ()) -> None:
        """
        Let a process leave, whose sockets this process already uses; `finish` tells it, waits, and returns the
        longest time that its sessions still have.

        `inherited` names, for the log, what this process has from it besides the sockets.
        """
        for what in inherited:
            self._log.info("as in process {process}: {inherited}", event="inherited", process=process, inherited=what)
        self._log.info("process {process} is asked to leave", event="taken-over", process=process)
        self.is_under_way = True
        self.predecessor = predecessor = Predecessor(process, self._monotonic)

        def left(seconds: float | None) -> None:
            self.is_under_way = False
            predecessor.ends_within(seconds)
            self._left()

        def failed(failure: Failure) -> None:
            self.is_under_way = False
            self._failed(process, failure)

        self._background.do(finish).addCallbacks(left, failed)

    def _failed(self, process: int, failure: Failure) -> None:
        reason = str(failure.value)
        if failure.check(StillServes):
            self._forget_predecessor()
            words = "process {process} keeps its sockets, and this process leaves: {reason}"
            self._log.error(words, event="taken-over", process=process, reason=reason)
            self._keeps()
        else:
            words = "process {process} may not have left: {reason}"
            self._log.error(words, event="taken-over", process=process, reason=reason)

    def _forget_predecessor(self) -> None:
        """Name no sessions of the previous process, nor a signal that ends it: it is the one that serves."""
        if self.predecessor is not None:
            self.predecessor.close()
            self.predecessor = None
