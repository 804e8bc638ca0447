"""
Work beside the reactor: in a thread, so that sessions go on meanwhile.

Reading thousands of certificates takes seconds. Python runs one thread at a time, and by default lets another one wait
for 5 ms: a session's round trip has two such waits. While something goes on here, it is far less.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")

SWITCH_SECONDS = 0.0002
"""How long the reactor's thread waits for its turn; a quarter of it is what a switch costs at most."""


class Aside:
    """What runs work in a thread of its own, one piece at a time; nobody waits for it when the process ends."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._usual = 0.0
        self._running = 0
        self._turn = threading.Lock()

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        """
        Call `work` in a thread, when earlier work is over.

        The Deferred fires in the reactor's thread with what it returns or raises.
        """
        done: Deferred[T] = Deferred()
        if not self._running:
            self._usual = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH_SECONDS, self._usual))
        self._running += 1

        def run() -> None:
            # Signals are for the main thread.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            result: T | Failure
            try:
                with self._turn:  # what is read is remembered, and the memory is for one at a time
                    result = work()
            except BaseException:
                result = Failure()
            self._reactor.callFromThread(self._over, done, result)

        threading.Thread(target=run, name="aside", daemon=True).start()
        return done

    def _over(self, done: Deferred[T], result: T | Failure) -> None:
        self._running -= 1
        if not self._running:
            sys.setswitchinterval(self._usual)
        if isinstance(result, Failure):
            done.errback(result)
        else:
            done.callback(result)
