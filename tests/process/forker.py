"""A forker and workers that a test controls."""

from __future__ import annotations

import socket
import subprocess
from typing import Any

from mailproxy.process.frame import Reader, frames
from mailproxy.process.message import Alive, AskAlive, Exited, Fork, Forked, NotForked
from tests.session.bench import FakeReactor


class End:
    """One end of a socket of messages, read and written at once."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._reader = Reader(is_trusted=True)
        self.has_ended = False

    def received(self) -> list[tuple[Any, list[int]]]:
        """What has come since the last time."""
        found = []
        while not self.has_ended:
            try:
                self.has_ended = not self._reader.receive(self.socket)
            except BlockingIOError:
                break
            except OSError:
                self.has_ended = True
        while (message := self._reader.next()) is not None:
            found.append(message)
        return found

    def deliver(self, message: object) -> None:
        for data, _ in frames(message):
            self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()
        self._reader.close()


class Played(End):
    """A worker: its end of the socket, and a process in its place."""

    def __init__(self, sock: socket.socket, fork: Fork) -> None:
        super().__init__(sock)
        self.fork = fork
        self.process = subprocess.Popen(["sleep", "60"])


class PlayedForker(End):
    """A forker's end of the socket, and a process that stands for it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.process = subprocess.Popen(["sleep", "60"])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        super().close()


class FakeForker:
    """The forker's end: the requests to it, and the workers that it makes."""

    def __init__(self, reactor: FakeReactor) -> None:
        self._reactor = reactor
        self.ours, its = socket.socketpair()
        self.end: End = End(its)
        self.is_stopped = False
        self.problem = ""
        """Why it cannot fork."""
        self.workers: list[Played] = []
        self.spares: list[PlayedForker] = []

    def work(self) -> None:
        """Make what is wanted."""
        self._reactor.poller.poll(0)
        for spare in self.spares:
            for _ in spare.received() if spare is not self.end else ():
                spare.deliver(Alive())
        for wanted, descriptors in () if self.is_stopped else self.end.received():
            if isinstance(wanted, AskAlive):
                self.end.deliver(Alive())
                continue
            sock = socket.socket(fileno=descriptors[0])
            if self.problem:
                sock.close()
                self.end.deliver(NotForked(wanted.worker, wanted.stamp, self.problem))
            elif wanted.worker is None:
                self.spares.append(PlayedForker(sock))
                self.end.deliver(Forked(wanted.stamp, self.spares[-1].process.pid))
            else:
                worker = Played(sock, wanted)
                self.workers.append(worker)
                self.end.deliver(Forked(wanted.stamp, worker.process.pid))
        self._reactor.poller.poll(0)

    def ends(self, worker: Played, status: int = -9) -> None:
        """End a worker."""
        worker.process.kill()
        worker.process.wait()
        worker.close()
        self.end.deliver(Exited(worker.process.pid, status))
        self._reactor.poller.poll(0)

    def close(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
            worker.close()
        for spare in self.spares:
            spare.close()
        self.end.close()
