"""Clients that come at a steady rate, each with a connection of its own, whatever the front does meanwhile."""

import ssl
import threading
import time
from types import TracebackType
from typing import Self

from tests.interop.clients import connect_tls, read_line
from tests.interop.waiting import until

_VISITORS = 16  # more than ever are under way at a time: a visit takes a few ms


class Visits:
    """In its `with` block, up to `rate` clients a second connect, read a greeting, get an echo, and leave."""

    def __init__(self, port: int, context: ssl.SSLContext, greeting: bytes, rate: float) -> None:
        self._port = port
        self._context = context
        self._greeting = greeting
        self._rate = rate
        self._is_over = threading.Event()
        self._next = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(_VISITORS)]
        self.failures: list[str] = []
        self.count = 0
        """How many visits there were."""

    def until_more(self, count: float) -> None:
        """Wait until there were this many more visits."""
        wanted = self.count + count
        until(lambda: self.count >= wanted, f"{count:g} more clients")

    def _run(self) -> None:
        while not self._is_over.is_set():
            with self._lock:
                due = self._began + self._next / self._rate
                self._next += 1
            if self._is_over.wait(max(due - time.monotonic(), 0.0)):
                return
            try:
                self._visit()
            except (OSError, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            with self._lock:
                self.count += 1

    def _visit(self) -> None:
        with connect_tls(self._port, self._context) as connection:
            greeting = read_line(connection)
            assert greeting == self._greeting, greeting
            connection.sendall(b"a NOOP\r\n")
            answer = read_line(connection)
            assert answer == b"a NOOP\r\n", answer

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
