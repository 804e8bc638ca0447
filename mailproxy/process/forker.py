"""
The forker: a process that only forks workers.

It is forked from the main process before that has a reactor, threads or sockets. So its children begin in a clean state
at any time, with the same ticket keys. It also reports how its children end. The first forker makes a spare one, which
replaces it if it ends.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from mailproxy.process.frame import Reader, frames
from mailproxy.process.gaps import fill_gaps
from mailproxy.process.identity import Identity, name_process
from mailproxy.process.message import Alive, AskAlive, Exited, Fork, Forked, NotForked

Become = Callable[[Fork, socket.socket], None]
"""The work of a new process, with its end of a socket to the main process; the process ends when this returns."""

# Only the main process handles them: a terminal and systemd send them to all processes of a service.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_fillers: list[object] = []
"""What fills the gaps in the memory of this process."""


def begin_forker(
    become: Become, without: Iterable[socket.socket] = (), identity: Identity | None = None
) -> tuple[socket.socket, int]:
    """
    Fork the forker; return the main process's end of a socket to it, and its process id.

    It closes the sockets `without`. It and its forks have this `identity`, and no capabilities.
    """
    ours, its = socket.socketpair()
    # Exempt all objects from collection: a collection in a child would write to them, and so copy their memory.
    gc.collect()
    gc.freeze()
    _fillers.append(fill_gaps())
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        its.close()
        return ours, pid
    for sock in (ours, *without):
        sock.close()
    _end_with(lambda: _begin(Forker(its, become), identity))
    raise AssertionError("this process has ended")


def _begin(forker: Forker, identity: Identity | None) -> None:
    if identity is not None:
        identity.become()
    forker.run()


def _end_with(work: Callable[[], None]) -> None:
    """Do the work of a forked process, and end it without the exit handlers of its parent."""
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


class Forker:
    """Forks on demand, and reports the end of its children, until the main process ends."""

    def __init__(self, sock: socket.socket, become: Become) -> None:
        self._socket = sock
        self._become = become
        self._reader = Reader(is_trusted=True)
        self._poll = select.poll()
        self._children: dict[int, int] = {}
        """Process ids by the descriptor (pidfd) that reports their end."""

    def run(self) -> None:
        """Work until the main process ends."""
        name_process("mailproxy-fork")
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        self._poll.register(self._socket, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._children:
                    self._ended(descriptor)
                elif not self._listen():
                    return

    def _listen(self) -> bool:
        """Handle the messages of the main process; return False if it has ended."""
        try:
            goes_on = self._reader.receive(self._socket)
        except OSError:
            return False
        while (found := self._reader.next()) is not None:
            wanted, descriptors = found
            if isinstance(wanted, AskAlive):
                self._send(Alive())
            else:
                assert isinstance(wanted, Fork)
                self._fork(wanted, socket.socket(fileno=descriptors[0]))
        return goes_on

    def _fork(self, wanted: Fork, sock: socket.socket) -> None:
        try:
            pid = os.fork()
        except OSError as error:  # RLIMIT_NPROC, pids.max, memory
            sock.close()
            self._send(NotForked(wanted.worker, wanted.stamp, str(error.strerror)))
            return
        if not pid:
            self._socket.close()
            for descriptor in self._children:
                os.close(descriptor)
            if wanted.worker is None:
                _end_with(lambda: Forker(sock, self._become).run())
            else:
                _end_with(lambda: self._become(wanted, sock))
        sock.close()
        try:
            descriptor = os.pidfd_open(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self._send(NotForked(wanted.worker, wanted.stamp, str(error.strerror)))
            return
        self._children[descriptor] = pid
        self._poll.register(descriptor, select.POLLIN)
        self._send(Forked(wanted.stamp, pid))

    def _ended(self, descriptor: int) -> None:
        pid = self._children.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        self._send(Exited(pid, os.waitstatus_to_exitcode(status)))

    def _send(self, message: object) -> None:
        with suppress(OSError):
            for data, _ in frames(message):
                self._socket.sendall(data)
