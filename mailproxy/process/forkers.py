"""The forker and the spare forker, as seen by the main process."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from twisted.logger import Logger

from mailproxy.front.loop import new_stamp
from mailproxy.process.channel import Channel
from mailproxy.process.message import Exited, Fork, Forked
from mailproxy.transport.poller import Poller


class Forkers:
    """Makes workers with the forker, or with the spare one when that has ended."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        first: tuple[socket.socket, int],
        poller: Poller,
        *,
        forked: Callable[[int, int], None],
        exited: Callable[[int, int], None],
    ) -> None:
        """
        `first` is the forker's socket and process id.

        `forked` is called with the stamp and the process id of each worker that begins, `exited` with the process id
        and the status of each that ends while its forker lives.
        """
        self._poller = poller
        self._forked = forked
        self._exited = exited
        self._last_stamp = 0
        self._spare_stamp = 0
        self._spare: Channel | None = None
        sock, pid = first
        self._pids = {}
        self._active: Channel | None = self._channel(sock, 0)
        self._pids[0] = pid
        self._make_spare()

    _pids: dict[int, int]
    """Process ids by the forkers' stamps."""

    def _channel(self, sock: socket.socket, stamp: int) -> Channel:
        return Channel(sock, self._poller, partial(self._says, stamp), partial(self._lost, stamp), is_trusted=True)

    def _stamp(self) -> int:
        """Return a number that no earlier process of mailproxy has had."""
        self._last_stamp = max(self._last_stamp + 1, new_stamp())
        return self._last_stamp

    @property
    def can_fork(self) -> bool:
        """True if a forker is left."""
        return self._active is not None

    def fork(self, worker: int, its: socket.socket) -> int:
        """Make a worker with this end of a socket; return its stamp."""
        stamp = self._stamp()
        assert self._active is not None
        self._active.send(Fork(worker, stamp), [its.fileno()])
        return stamp

    def _make_spare(self) -> None:
        if self._active is None:
            return
        ours, its = socket.socketpair()
        self._spare_stamp = self._stamp()
        self._spare = self._channel(ours, self._spare_stamp)
        with its:
            self._active.send(Fork(None, self._spare_stamp), [its.fileno()])

    def _says(self, stamp: int, said: Any, descriptors: list[int]) -> None:
        match said:
            case Forked(stamp=made, pid=pid) if made == self._spare_stamp:
                self._pids[made] = pid
            case Forked(stamp=made, pid=pid):
                self._forked(made, pid)
            case Exited(pid=pid, status=status) if pid not in self._pids.values():
                self._exited(pid, status)

    def _lost(self, stamp: int) -> None:
        """Continue after the end of a forker."""
        pid = self._pids.pop(stamp, 0)
        if self._spare is not None and stamp == self._spare_stamp:
            self._log.warn("the spare forker, pid {pid}, has ended", event="forker", pid=pid)
            self._spare = None
        else:
            self._reap(pid)
            self._active, spare, self._spare = None, self._spare, None
            if self._spare_stamp in self._pids:
                self._active = spare
            elif spare is not None:
                spare.close()  # it was not forked yet
            self._spare_stamp = 0
            if self._active is None:
                self._log.error(
                    "the forker, pid {pid}, has ended, without a spare one: workers that end are not replaced, and "
                    "mailproxy ends with the last one; restart it",
                    event="forker",
                    pid=pid,
                )
            else:
                self._log.warn("the forker, pid {pid}, has ended; the spare one replaces it", event="forker", pid=pid)
        self._make_spare()

    def close(self) -> None:
        """Close the sockets of the forkers, so that they end."""
        for channel in (self._active, self._spare):
            if channel is not None:
                channel.close()
        self._active = self._spare = None
        self._reap(self._pids.pop(0, 0))

    def _reap(self, pid: int) -> None:
        """Wait for the end of a forker, unless another forker made it."""
        if pid:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
