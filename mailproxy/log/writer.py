"""
Writes lines to a target that may block for a while: a pipe, a terminal, a slow disk, a remote server.

A thread writes, because nothing else works for all targets: O_NONBLOCK belongs to the open file description, which a
terminal or a parent shares with us; a regular file ignores it; and only a socket has a flag for a single call.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from weakref import WeakSet

from mailproxy.log.sink import Sink

# The most bytes that may wait: about 2,500 session lines. A busy service logs less while journald rotates its files,
# and 50 connections need more memory.
QUEUE_BYTES = 1024 * 1024

# The wait for more lines after the first one: to wake the thread, and to give it the interpreter, costs as much as to
# format ten. Sessions that all end at once fill no more than a third of the queue meanwhile.
COLLECT_SECONDS = 0.005

# The pause before another attempt after a failure, for example a full disk or a server that refuses connections.
RETRY_SECONDS = 1.0

Notice = Callable[[int, str], bytes]
"""Makes the line that reports the number of dropped lines, and the reason."""


def _ignore_problem(problem: str) -> None:
    """Do nothing: the notice reports the problem."""


class LineWriter:
    """
    A bounded queue of lines, and the thread that writes them to a sink, in order.

    When the queue is full, lines are dropped until all of it is written; then `notice` makes a line with their number.
    After a failure the thread tries again each second; it calls `complain` for the first failure in a row.

    The thread starts with the first line, so a process that forks before has none. In a forked child the queue is
    empty: the waiting lines are the parent's.
    """

    def __init__(
        self,
        sink: Sink,
        notice: Notice,
        *,
        complain: Callable[[str], None] = _ignore_problem,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.notice = notice
        self._sink = sink
        self._complain = complain
        self._sleep = sleep
        self.begin()
        _writers.add(self)

    def begin(self) -> None:
        """Begin with an empty queue and no thread, in a new writer or in a forked child."""
        # A signal handler may log while the thread that it interrupts has the lock.
        self._lock = threading.RLock()
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._waiting = 0
        self._dropped = 0
        self._reported = 0
        self._problem = ""
        self._is_failing = False
        self._thread: threading.Thread | None = None
        self._is_done = threading.Event()
        self._ends_at: float | None = None
        self._left: Callable[[int, str], object] | None = None
        self._sink.forget()

    def put(self, line: bytes) -> None:
        """Queue a non-empty line, or drop it if the queue is full; never wait for the target."""
        size = len(line)
        with self._lock:
            # Python runs signal handlers only at calls: there is none between the read and the write of a number.
            if self._dropped or (self._waiting and self._waiting + size > QUEUE_BYTES):
                self._dropped += 1
                return
            self._waiting += size
            self._queue.put(line)
            if self._thread is None:
                self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No memory for a thread, or too many threads: the next line tries again.
            self._thread = None

    @property
    def lines_dropped(self) -> int:
        """The number of lines that were dropped, those that no notice has reported yet included."""
        with self._lock:
            return self._reported + self._dropped + self._sink.lost

    @property
    def is_over(self) -> bool:
        """Whether a writer that has retired writes no more."""
        return self._thread is None or not self._thread.is_alive()

    def drain(self, seconds: float) -> bool:
        """Wait at most `seconds` until all lines are written; return whether they are."""
        with self._lock:
            if not self._waiting:
                return True
            self._is_done.clear()
        return self._is_done.wait(seconds)

    def reopen(self) -> None:
        """Make the sink open its file again by its path, soon, even without a line."""
        self._sink.reopen()
        self._wake()

    def retire(self, seconds: float, left: Callable[[int, str], object]) -> None:
        """
        Write the waiting lines for at most `seconds`, then close the sink; no line may be put after this.

        If lines are left, the thread calls `left` with their number and the reason.
        """
        self._left = left
        self._ends_at = time.monotonic() + seconds
        if self._thread is None:
            self._sink.close()
        self._wake()

    def _wake(self) -> None:
        """Wake the thread if it waits for a line."""
        if self._thread is not None:
            self._queue.put(b"")

    def _run(self) -> None:
        # Signals are for the main thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        queue, sink = self._queue, self._sink
        lines: deque[bytes] = deque()
        while not (self._ends_at is not None and queue.empty()):
            lines.append(queue.get())
            self._sleep(COLLECT_SECONDS)
            while not queue.empty():
                lines.append(queue.get())
            while b"" in lines:
                lines.remove(b"")
            size = sum(map(len, lines))
            if not self._write_all(lines):
                break
            if not size:
                self._refresh()
            with self._lock:
                self._waiting -= size
                self._account()
                if not self._waiting:
                    self._is_done.set()
        self._finish(len(lines))
        sink.close()

    def _write_all(self, lines: deque[bytes]) -> bool:
        """Write these lines; return False if the time is over and some are left."""
        while lines:
            try:
                done = self._sink.write(lines)
            except OSError as error:
                self._fail(error)
                done = 0
                if not self._is_over():
                    self._sleep(RETRY_SECONDS)
            if done:
                self._is_failing = False
                for _ in range(done):
                    lines.popleft()
            elif self._is_over():
                return False
        return True

    def _is_over(self) -> bool:
        return self._ends_at is not None and time.monotonic() >= self._ends_at

    def _refresh(self) -> None:
        try:
            self._sink.refresh()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Keep the reason for the notice, and complain: the notice may take long."""
        self._problem = f"{self._sink.name}: {error.strerror or error}"
        if not self._is_failing:
            self._is_failing = True
            self._complain(self._problem)

    def _account(self) -> None:
        """If no line waits and some were dropped, queue the notice."""
        if self._waiting:
            return
        if count := self._dropped + self._sink.lost:
            line = self.notice(count, self._reason())
            self._reported += count
            self._dropped = self._sink.lost = 0
            self._waiting = len(line)
            self._queue.put(line)
        self._problem = ""

    def _reason(self) -> str:
        return self._problem or f"{self._sink.name} was blocked"

    def _finish(self, left: int) -> None:
        """Report the lines that were not written before the end."""
        with self._lock:
            while not self._queue.empty():
                left += self._queue.get() != b""
            left += self._dropped + self._sink.lost
            self._reported += left
            self._waiting = self._dropped = self._sink.lost = 0
            self._is_done.set()
        if left and self._left is not None:
            self._left(left, self._reason())


_writers: WeakSet[LineWriter] = WeakSet()


def _begin_in_child() -> None:
    for writer in _writers:
        writer.begin()


os.register_at_fork(after_in_child=_begin_in_child)
