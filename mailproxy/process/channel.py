"""
Messages between two processes over a UNIX socket, in order, with or without descriptors.

Sending never blocks: frames wait in memory until the peer takes them. A stopped process is killed soon (`workers`), and
the frames that wait for it are dropped.
"""

from __future__ import annotations

import array
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger

from mailproxy.process.frame import Reader, frames
from mailproxy.transport.poller import READ, WRITE, Poller


class Channel:
    """One end of a socket between two processes, on a poller."""

    _log = Logger()

    def __init__(
        self,
        sock: socket.socket,
        poller: Poller,
        received: Callable[[Any, list[int]], None],
        lost: Callable[[], None],
        *,
        is_trusted: bool,
    ) -> None:
        """Call `received` with each message and its descriptors, and `lost` once, when the peer has closed."""
        sock.setblocking(False)
        self._socket = sock
        self._poller = poller
        self._received = received
        self._lost = lost
        self._reader = Reader(is_trusted=is_trusted)
        self._waiting: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._is_open = True
        self._is_broken = False
        poller.add(sock.fileno(), self._on_event, READ)

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Send a message; it is lost if the peer has closed. The caller keeps its descriptors."""
        if not self._is_open or self._is_broken:
            return
        was_idle = not self._waiting
        for data, with_it in frames(message, descriptors):
            # Duplicates, so that the caller may close its own before these are sent.
            self._waiting.append((memoryview(data), [os.dup(one) for one in with_it]))
        if was_idle:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._waiting:
                data, descriptors = self._waiting[0]
                control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
                sent = self._socket.sendmsg([data], control, socket.MSG_NOSIGNAL)
                _close_all(descriptors)
                if sent < len(data):
                    self._waiting[0] = data[sent:], ()
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            self._poller.change(self._socket.fileno(), READ | WRITE)
        except OSError:
            # `lost` is called by the next read, not here: the caller of `send` does not expect it.
            self._drop_waiting()
            self._is_broken = True
            self._poller.change(self._socket.fileno(), READ)
        else:
            self._poller.change(self._socket.fileno(), READ)

    def _on_event(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if not self._is_open:
            return
        try:
            goes_on = self._reader.receive(self._socket)
        except BlockingIOError:
            return
        except OSError:
            goes_on = False
        try:
            while self._is_open and (found := self._reader.next()) is not None:
                self._deliver(*found)
        except pickle.UnpicklingError:
            self._log.failure("a process sent a message that cannot be used")
            goes_on = False
        if not goes_on:
            self._end()

    def _deliver(self, message: Any, descriptors: list[int]) -> None:
        try:
            self._received(message, descriptors)
        except Exception:
            # Our bug; later messages are still handled.
            self._log.failure("bug in handling the message {kind}", kind=type(message).__name__)

    def _end(self) -> None:
        if self._is_open:
            self.close()
            self._lost()

    def broke(self) -> None:
        """Continue after a bug of ours."""

    def close(self) -> None:
        """Close the socket."""
        if not self._is_open:
            return
        self._is_open = False
        self._poller.remove(self._socket.fileno())
        self._socket.close()
        self._reader.close()
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        for _, descriptors in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
