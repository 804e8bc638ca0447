"""
The forker and the spare forker, as seen by the main process.

The main process asks both once a second whether they work. One that has not answered for `SILENT_CHECKS` of these
checks is killed. Checks are counted, not time: after a pause of the main process itself, both get the full time again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from attrs import define, field
from twisted.logger import Logger

from mailproxy.front.loop import new_stamp
from mailproxy.process.channel import Channel
from mailproxy.process.message import Alive, AskAlive, Exited, Fork, Forked, NotForked
from mailproxy.process.pidfd import Process
from mailproxy.transport.poller import Poller

SILENT_CHECKS = 10


@define(eq=False)
class _Forker:
    """A forker, while its process lives (mutable)."""

    stamp: int
    channel: Channel = field(init=False)
    process: Process | None = None
    """None until it is known: the spare forker is forked by the other one."""
    is_asked: bool = False
    silent_checks: int = 0
    """The number of successive checks without an answer."""

    @property
    def pid(self) -> int:
        """Its process id; 0 if that is not known."""
        return 0 if self.process is None else self.process.pid

    def check_alive(self) -> bool:
        """Ask whether it works; return False if it has not answered for too long, and is killed now."""
        if self.process is None:
            return True
        if self.is_asked:
            self.silent_checks += 1
        else:
            self.is_asked = True
            self.channel.send(AskAlive())
        if self.silent_checks != SILENT_CHECKS:
            return True
        self.process.kill()
        return False

    def answered(self) -> None:
        """Take its answer."""
        self.is_asked, self.silent_checks = False, 0

    def close(self) -> None:
        """Forget the process."""
        self.channel.close()
        if self.process is not None:
            self.process.close()


class Forkers:
    """Makes workers with the forker, or with the spare one when that has ended."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        first: tuple[socket.socket, int],
        poller: Poller,
        *,
        forked: Callable[[int, int], None],
        not_forked: Callable[[int, str], None],
        exited: Callable[[int, int], None],
    ) -> None:
        """
        `first` is the forker's socket and process id.

        `forked` is called with the stamp and the process id of each worker that begins, `not_forked` with the stamp
        and the reason if that fails, `exited` with the process id and the status of each process that ends while its
        forker lives.
        """
        self._poller = poller
        self._forked = forked
        self._not_forked = not_forked
        self._exited = exited
        self._last_stamp = 0
        self._problem = ""
        """Why there is no spare forker, as it was logged; "" if there is one."""
        self._spare: _Forker | None = None
        sock, pid = first
        self._active: _Forker | None = self._forker(sock, 0)
        if pid:
            self._active.process = Process(pid)
        self._make_spare()

    def _forker(self, sock: socket.socket, stamp: int) -> _Forker:
        made = _Forker(stamp)
        received, lost = partial(self._received, made), partial(self._lost, made)
        made.channel = Channel(sock, self._poller, received, lost, is_trusted=True)
        return made

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
        self._active.channel.send(Fork(worker, stamp), [its.fileno()])
        return stamp

    def _make_spare(self) -> None:
        if self._active is None or self._spare is not None:
            return
        stamp = self._stamp()
        try:
            ours, its = socket.socketpair()
            self._spare = self._forker(ours, stamp)
            with its:
                self._active.channel.send(Fork(None, stamp), [its.fileno()])
        except OSError as error:  # too few descriptors are left
            self._has_no_spare(stamp, str(error.strerror))

    def _has_no_spare(self, stamp: int, reason: str) -> None:
        """Say why, once; the next check tries again."""
        if self._spare is not None and self._spare.stamp == stamp:
            self._spare.close()
            self._spare = None
        if reason != self._problem:
            self._log.error(
                "there is no spare forker now, mailproxy tries again: {reason}", event="forker", reason=reason
            )
        self._problem = reason

    def _received(self, forker: _Forker, message: Any, descriptors: list[int]) -> None:
        match message:
            case Forked(stamp=stamp, pid=pid) if self._spare is not None and stamp == self._spare.stamp:
                self._spare.process = Process(pid)
                self._problem = ""
            case NotForked(worker=None, stamp=stamp, reason=reason):
                self._has_no_spare(stamp, reason)
            case NotForked(stamp=stamp, reason=reason):
                self._not_forked(stamp, reason)
            case Forked(stamp=stamp, pid=pid):
                self._forked(stamp, pid)
            case Exited(pid=pid, status=status):
                self._exited(pid, status)
            case Alive():
                forker.answered()

    def check_alive(self) -> None:
        """Ask the forkers whether they work, and kill those that do not answer; make a spare one if there is none."""
        self._make_spare()
        for forker in (self._active, self._spare):
            if forker is not None and not forker.check_alive():
                self._log.error(
                    "the {what}, pid {pid}, has not answered {looks} checks in a row, and is killed",
                    event="forker",
                    what="forker" if forker is self._active else "spare forker",
                    pid=forker.pid,
                    looks=SILENT_CHECKS,
                )

    def _lost(self, forker: _Forker) -> None:
        """Continue after the end of a forker."""
        pid = forker.pid
        forker.close()
        if forker is self._spare and not pid:
            self._spare = None  # it was not forked: `NotForked` has the reason, if its forker lives
            return
        if forker is self._spare:
            self._log.warn("the spare forker, pid {pid}, has ended", event="forker", pid=pid)
            self._spare = None
        else:
            _reap(pid)
            self._active, spare, self._spare = None, self._spare, None
            if spare is not None and spare.process is None:
                spare.close()  # it was not forked yet
            else:
                self._active = spare
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
        """End the forkers."""
        for forker in (self._active, self._spare):
            if forker is not None:
                if forker.process is not None:
                    forker.process.kill()  # one that is stopped would not see that its socket is closed
                pid = forker.pid
                forker.close()
                _reap(pid)
        self._active = self._spare = None


def _reap(pid: int) -> None:
    """Wait for the end of a forker, unless another forker made it."""
    if pid:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
