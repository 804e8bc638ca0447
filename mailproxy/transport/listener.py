"""Listening sockets: binding them, accepting from them, and what happens when descriptors run out."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mailproxy.transport.poller import READ, Poller

# As HAProxy's default when maxconn is unset; the kernel caps it at net.core.somaxconn.
BACKLOG = 4096

# The process or the system has no descriptor or memory left for one more socket.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# How long to leave clients in the kernel's queue before the next try.
EXHAUSTED_PAUSE_SECONDS = 0.5

Accepted = Callable[[socket.SocketType, Any, "Listener"], None]
"""Called with a non-blocking socket, the client's address as ``accept`` returned it, and the listener."""


def bind_inet(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """Listen on an address and port; OSError if that cannot be."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Accepted sockets inherit it (Linux), which saves a system call each.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def bind_unix(path: str) -> socket.socket:
    """Listen on a UNIX socket, in place of one that nobody listens on any more; OSError if that cannot be."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _remove_stale(path)
        sock.bind(path)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # one with a full queue would let us wait
        try:
            probe.connect(path)
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            os.unlink(path)


def _file_of(path: str) -> tuple[int, int] | None:
    """Return device and inode of a socket's file; None if there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _fixed_address(sock: socket.socket) -> tuple[bytes, int] | None:
    if sock.family == socket.AF_UNIX:
        return None
    host, port = sock.getsockname()[:2]
    packed = socket.inet_pton(sock.family, host)
    return (packed, port) if any(packed) else None


class Listener:
    """
    A listening socket on a poller.

    It stops accepting while anything has paused it: clients wait in the kernel's queue, and whatever is connected
    lives on.
    """

    _log = Logger()

    def __init__(self, sock: socket.socket, poller: Poller, clock: IReactorTime, accepted: Accepted) -> None:
        self.socket = sock
        self._family = int(sock.family)
        self.is_unix = sock.family == socket.AF_UNIX
        self.local = _fixed_address(sock)
        """Our end of every connection; None if a wildcard address leaves it to each connection."""
        self._poller = poller
        self._clock = clock
        self._accepted = accepted
        self._reasons: set[str] = {"not started"}
        self._path: str | None = sock.getsockname() if self.is_unix else None
        self._file = None if self._path is None else _file_of(self._path)

    @property
    def address(self) -> str:
        """Where this listens, in words."""
        name = self.socket.getsockname()
        if isinstance(name, str):
            return name
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Begin to accept."""
        self.resume("not started")

    def pause(self, reason: str) -> None:
        """Stop accepting until this reason, too, has gone."""
        if not self._reasons:
            self._poller.remove(self.socket.fileno())
            self._poller.pause(self.socket.fileno())
        self._reasons.add(reason)

    def resume(self, reason: str) -> None:
        """Take a reason back."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                self._poller.add(self.socket.fileno(), self._on_event, READ)

    def stop(self) -> None:
        """Stop accepting for good and give the socket back; a UNIX socket's file goes, too, if it is still ours."""
        if self.socket.fileno() < 0:
            return
        self.pause("stopped")
        if self._path is not None:
            self._remove_file(self._path)
        self.socket.close()

    def _remove_file(self, path: str) -> None:
        # As long as the socket is open, the kernel gives its inode to no other file.
        try:
            if self._file is not None and _file_of(path) == self._file:
                os.unlink(path)
            else:
                self._log.info("{path} is not removed: it is not the socket of this process any more", path=path)
        except OSError as error:
            self._log.warn("cannot remove {path}: {error}", path=path, error=error.strerror)

    def _on_event(self, events: int) -> None:
        # One a turn: under load the other connections get theirs in between, and nothing is spent on finding the
        # queue empty.
        try:
            # What socket.accept() does, without the Python class around the socket, which costs as much as the call.
            descriptor, address = self.socket._accept()  # type: ignore[attr-defined]
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._log.warn(
                    "accepting pauses for {seconds} s: {error}", seconds=EXHAUSTED_PAUSE_SECONDS, error=error.strerror
                )
                self._pause_for_a_while()
            return  # anything else is the client's: it has gone again before we came
        sock = socket.SocketType(self._family, socket.SOCK_STREAM, 0, descriptor)
        sock.setblocking(False)
        self._accepted(sock, address, self)

    def broke(self) -> None:
        """Go on after a bug of ours with one client: later ones are not to suffer, nor is the processor."""
        self._pause_for_a_while()

    def _pause_for_a_while(self) -> None:
        self.pause("for a while")
        self._clock.callLater(EXHAUSTED_PAUSE_SECONDS, self.resume, "for a while")
