"""
Work in a thread beside the reactor, so that sessions continue meanwhile.

Reading thousands of certificates takes seconds. Python runs one thread at a time, and by default another one waits up
to 5 ms for its turn: a session's round trip has two such waits. While work runs here, the wait is much shorter.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")

SWITCH_SECONDS = 0.0002
"""The longest wait of the reactor's thread for its turn; a switch costs at most a quarter of it."""


class BackgroundThread:
    """Runs work in its own thread, one piece at a time; the process does not wait for it at its end."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._usual = 0.0
        self._running = 0
        self._turn = threading.Lock()
        self._waiting: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Call `work` in a thread, when earlier work is over.

        The Deferred fires in the reactor's thread with the result or the exception.
        """
        done: Deferred[T] = Deferred()
        if not self._running:
            self._usual = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH_SECONDS, self._usual))
        self._running += 1
        self._waiting.append((work, done))
        threading.Thread(target=self._run, name="background", daemon=True).start()
        return done

    def _run(self) -> None:
        # Signals are for the main thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with self._turn:  # the work uses a cache that only one thread may use at a time
            # The oldest one: threads get their turn in any order.
            work, done = self._waiting.popleft()
            try:
                result = work()
            except BaseException:
                # Not in a local variable: that would be a cycle with its own traceback.
                self._reactor.callFromThread(self._over, done, Failure())
            else:
                self._reactor.callFromThread(self._over, done, result)

    def _over(self, done: Deferred[T], result: T | Failure) -> None:
        self._running -= 1
        if not self._running:
            sys.setswitchinterval(self._usual)
        if isinstance(result, Failure):
            done.errback(result)
        else:
            done.callback(result)
