"""
What mailproxy sends to systemd about a running service, and when.

The watchdog's message goes out by the service's own loop: from a loop that stands still there is none, and systemd
ends the process. Listening sockets go to systemd's store, from which the next process has them (`handed`); meanwhile
clients wait in the kernel's queue.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from mailproxy.systemd import message
from mailproxy.systemd.environment import notify_address, watchdog_seconds
from mailproxy.systemd.handed import Stored
from mailproxy.systemd.notifier import Notifier
from mailproxy.transport.bound import Bound

# `systemctl status` is for people; each message costs systemd some work.
STATUS_SECONDS = 5.0

# A stop takes longer than its parts: the log is written, workers end.
GRACE_SECONDS = 10.0


def make_reports(
    reactor: Any, *, bounds: Callable[[], Iterable[Bound]], summary: Callable[[], str], stored: Iterable[Stored]
) -> Reports | None:
    """Make the reports that systemd asks for in the environment, as `Reports` does; None if it asks for none."""
    address = notify_address(os.environ)
    if address is None:
        return None
    watchdog = watchdog_seconds(os.environ, os.getpid())
    notifier = Notifier(address, reactor)
    return Reports(notifier, reactor, bounds=bounds, summary=summary, watchdog=watchdog, stored=stored)


class Reports:
    """Reports the service to systemd, as its supervisor (`mailproxy.front.supervisor`)."""

    def __init__(
        self,
        notifier: Notifier,
        clock: Any,
        *,
        bounds: Callable[[], Iterable[Bound]],
        summary: Callable[[], str],
        watchdog: float | None = None,
        stored: Iterable[Stored] = (),
    ) -> None:
        """
        `bounds` returns the sockets that are listened on, `summary` the line for `systemctl status`.

        `watchdog` is the time after which systemd ends a silent process; `stored` is in the store already.
        """
        self._notifier = notifier
        self._clock = clock
        self._bounds = bounds
        self._summary = summary
        self._watchdog = watchdog
        self._stored = {one.name: one.inode for one in stored}
        """The inodes of the sockets in the store, by their names there."""
        self._is_stopping = False
        self._status = ""
        self._calls: dict[Callable[[], None], IDelayedCall] = {}

    def begin(self) -> None:
        """Show from now on that the loop lives."""
        if self._watchdog is not None:
            self._tick()

    def ready(self) -> None:
        """The service accepts clients; or a reload is over, successful or not."""
        if self._is_stopping:
            return
        self._store()
        self._status = self._summary()
        self._notifier.send(message.message(message.READY, message.status(self._status)))
        if self._report_status not in self._calls:
            self._call_later(STATUS_SECONDS, self._report_status)

    def reloading(self) -> None:
        """A reload begins."""
        self._status = "reloading"
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self._notifier.send(message.message(message.reloading(now), message.status(self._status)))

    def stopping(self, seconds: float, *, keeps_sockets: bool) -> bool:
        """
        The service stops, within some seconds. Return whether systemd may still have its sockets.

        `keeps_sockets`: clients may wait in the kernel's queues for the next process, if there is one.
        """
        if not keeps_sockets:
            for name in self._stored:
                self._notifier.send(message.unstore(name))
            self._stored.clear()
        self._is_stopping = True
        self._notifier.send(
            message.message(message.STOPPING, message.extend(seconds + GRACE_SECONDS), message.status(self._summary()))
        )
        return bool(self._stored)

    def close(self) -> None:
        """Send no more."""
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        self._notifier.close()

    def _tick(self) -> None:
        assert self._watchdog is not None
        self._notifier.send(message.message(message.WATCHDOG))
        self._call_later(self._watchdog / 2, self._tick)

    def _report_status(self) -> None:
        self._store()
        status = self._summary()
        if status != self._status:
            self._status = status
            self._notifier.send(message.message(message.status(status)))
        self._call_later(STATUS_SECONDS, self._report_status)

    def _call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self._calls[call] = self._clock.callLater(seconds, call)

    def _store(self) -> None:
        """Bring systemd's store up to date: other frontends listen after a reload, or one is drained."""
        if self._is_stopping:
            return
        wanted = {message.stored_name(one.place): one.socket for one in self._bounds() if not one.is_lent}
        inodes = {name: os.fstat(sock.fileno()).st_ino for name, sock in wanted.items()}
        for name in [name for name, inode in self._stored.items() if inodes.get(name) != inode]:
            self._notifier.send(message.unstore(name))
            del self._stored[name]
        for name, sock in wanted.items():
            if name not in self._stored:
                self._notifier.send(message.store(name), sock.fileno())
                self._stored[name] = inodes[name]
