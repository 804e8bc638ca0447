"""
Writes lines to a descriptor that may block for a while: a pipe, a journal, a terminal or a disk that stalls.

A thread writes. Nothing else works for all of them: O_NONBLOCK belongs to the open file description, which a terminal
or a parent shares with us; a regular file ignores it; and only a socket has a flag for a single call.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from weakref import WeakSet

# The most bytes that may wait: about 2,500 session lines, more than a busy service logs while a journal rotates its
# files, and less memory than 50 connections.
QUEUE_BYTES = 1024 * 1024

# A pipe takes a write of this size whole, even if other processes write to it, too.
WRITE_BYTES = select.PIPE_BUF

# The pause before another try at a full disk, or a named pipe without a reader.
RETRY_SECONDS = 1.0


class LineWriter:
    """
    A bounded queue of lines, and the thread that writes them in order.

    When the queue is full, lines are dropped until all of it is written; then `notice` makes a line with their number.
    A line that fails in the middle is written again, whole, on its own line.

    The thread starts with the first line, so a process that forks before has none. In a forked child the queue is
    empty: the waiting lines are the parent's.
    """

    def __init__(
        self,
        descriptor: int,
        notice: Callable[[int], bytes],
        *,
        write: Callable[[int, bytes], int] = os.write,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._descriptor = descriptor
        self._notice = notice
        self._write = write
        self._sleep = sleep
        self.begin()
        _writers.add(self)

    def begin(self) -> None:
        """Start with an empty queue and no thread: in a new writer, or in a forked child."""
        # Signal handlers log, and may do so while the thread that they interrupt has the lock.
        self._lock = threading.RLock()
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._waiting = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._is_done = threading.Event()

    def put(self, line: bytes) -> None:
        """Queue a line, with its newline, or drop it; never wait for the descriptor."""
        size = len(line)
        with self._lock:
            # Without a call in it, no signal handler can run between reading and writing a number.
            if self._dropped or (self._waiting and self._waiting + size > QUEUE_BYTES):
                self._dropped += 1
                return
            self._waiting += size
            self._queue.put(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def drain(self, seconds: float) -> bool:
        """Wait at most `seconds` until all lines are written; return whether they are."""
        with self._lock:
            if not self._waiting:
                return True
            self._is_done.clear()
        return self._is_done.wait(seconds)

    def _run(self) -> None:
        # Signals are for the main thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        queue = self._queue
        while True:
            lines = [queue.get()]
            while not queue.empty():
                lines.append(queue.get())
            data = b"".join(lines)
            self._write_all(data)
            with self._lock:
                self._waiting -= len(data)
                if self._dropped and not self._waiting:
                    line = self._notice(self._dropped)
                    self._dropped = 0
                    self._waiting = len(line)
                    queue.put(line)
                if not self._waiting:
                    self._is_done.set()

    def _write_all(self, data: bytes) -> None:
        done = 0
        while done < len(data):
            end = data.rfind(b"\n", done, done + WRITE_BYTES) + 1 or data.index(b"\n", done) + 1
            try:
                done += self._write(self._descriptor, data[done:end])
            except BlockingIOError:
                # Another process that shares the descriptor has set O_NONBLOCK.
                self._wait_until_writable()
            except OSError:
                cut = data.rfind(b"\n", 0, done) + 1
                if cut < done:
                    data = b"\n" + data[cut:]
                    done = 0
                self._sleep(RETRY_SECONDS)

    def _wait_until_writable(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll()


_writers: WeakSet[LineWriter] = WeakSet()


def _begin_in_child() -> None:
    for writer in _writers:
        writer.begin()


os.register_at_fork(after_in_child=_begin_in_child)
