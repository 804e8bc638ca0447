"""Sends messages to systemd, in order, and never waits for it."""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

# systemd has room for a few hundred messages, and reads them within milliseconds.
RETRY_SECONDS = 0.05

# A store of many sockets at the start is the most there is at once. A systemd that takes none of them does not work.
MAX_WAITING = 4096


class Notifier:
    """The messages to one socket, with the descriptors that go with them."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self, address: bytes, clock: Any, *, make_socket: Callable[[int, int], socket.socket] = socket.socket
    ) -> None:
        """`clock` calls later."""
        self._address = address
        self._clock = clock
        self._socket = make_socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._retry: IDelayedCall | None = None
        self._is_failing = False

    def send(self, message: bytes, descriptor: int | None = None) -> None:
        """Send a message, now or as soon as there is room. The descriptor stays open here."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append((message, [] if descriptor is None else [os.dup(descriptor)]))
        if self._retry is None:
            self._flush()

    def _flush(self) -> None:
        self._retry = None
        while self._waiting:
            message, descriptors = self._waiting[0]
            try:
                # Not connected: a systemd that was started again has another socket at the same address.
                self._socket.sendmsg([message], _rights(descriptors), socket.MSG_NOSIGNAL, self._address)
                self._is_failing = False
            except BlockingIOError:
                self._retry = self._clock.callLater(RETRY_SECONDS, self._flush)
                return
            except OSError as error:
                self._complain(error)
            self._waiting.popleft()
            _close_all(descriptors)

    def _complain(self, error: OSError) -> None:
        if not self._is_failing:
            self._is_failing = True
            self._log.warn("cannot send the service's state to systemd: {reason}", event="systemd", reason=str(error))

    def close(self) -> None:
        """Send no more."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        while self._waiting:
            _close_all(self._waiting.popleft()[1])
        self._socket.close()


def _rights(descriptors: list[int]) -> list[tuple[int, int, array.array[int]]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
