"""Listening sockets: bound once, and kept as long as the process listens there."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from twisted.logger import Logger

from mailproxy.proxyprotocol.address import host_port
from mailproxy.transport.newcomers import keep_away, let_in

# HAProxy's default without maxconn; the kernel limits it to net.core.somaxconn.
BACKLOG = 4096


class Bound:
    """A listening socket. Closing it also removes a UNIX socket's file, if that is still ours."""

    _log = Logger()

    def __init__(self, sock: socket.socket, *, is_shared: bool = False, is_lent: bool = False) -> None:
        self.socket = sock
        self.is_unix = sock.family == socket.AF_UNIX
        self.local = _fixed_address(sock)
        """Our address of every connection; None if a wildcard address leaves it to each connection."""
        name = sock.getsockname()
        self._path: str | None = name if isinstance(name, str) else None
        self._file = None if self._path is None else _file_of(self._path)
        self.is_shared = is_shared
        """True if another process has the socket, too: its file is left alone."""
        self.is_lent = is_lent
        """True if the socket belongs to another process for good: it always listens, and its file is never removed."""

    @property
    def address(self) -> str:
        """The address in words."""
        return _in_words(self.socket)

    @property
    def place(self) -> str:
        """The key of this socket: address and port with the family, or the path."""
        return place_of(self.socket)

    def keep_away(self) -> bool:
        """
        Keep new clients away before `suspend`; True: handshakes that are under way have `HANDSHAKE_SECONDS` now.

        False: new clients still come, as on a UNIX socket, where there are no handshakes.
        """
        if self.is_unix or self.is_lent:
            return False
        try:
            keep_away(self.socket)
        except OSError:  # the kernel is not Linux's own, or seccomp(2) forbids it
            return False
        return True

    def let_in(self) -> None:
        """Let new clients in again."""
        if not self.is_unix:
            with suppress(OSError):
                let_in(self.socket)

    def refuse(self) -> None:
        """Refuse new clients of a UNIX socket from now on, for good; those in its queue can be accepted."""
        if self.is_unix and not self.is_lent and not self.is_shared:
            self.socket.shutdown(socket.SHUT_RD)

    def suspend(self) -> None:
        """
        Refuse clients until `resume`, those in the queue included; the address stays in use. Not for UNIX sockets.

        Clients of a socket that is lent to us wait in the queue.
        """
        # Linux stops listening after shutdown(), and listens again after listen(), which needs no privilege. systemd
        # gives a socket up that does not listen any more: there clients wait.
        if self.is_lent:
            return
        self.socket.shutdown(socket.SHUT_RD)
        self.let_in()

    def resume(self) -> None:
        """Listen again; OSError if that fails."""
        self.socket.listen(BACKLOG)

    def close(self) -> None:
        """Close the socket."""
        if self.socket.fileno() < 0:
            return
        if self._path is not None and not self.is_shared and not self.is_lent:
            self._remove_file(self._path)
        self.socket.close()

    def _remove_file(self, path: str) -> None:
        # While the socket is open, no other file can have its inode.
        try:
            if self._file is not None and _file_of(path) == self._file:
                os.unlink(path)
            else:
                self._log.info("{path} is not removed: it is no longer the socket of this process", path=path)
        except OSError as error:
            self._log.warn("cannot remove {path}: {error}", path=path, error=error.strerror)


def place_of(sock: socket.socket) -> str:
    """Return the key of a listening socket: address and port with the family, or the path."""
    where = _in_words(sock)
    return where if sock.family == socket.AF_UNIX else f"{sock.family.name} {where}"


def _in_words(sock: socket.socket) -> str:
    name = sock.getsockname()
    match name:
        case str():
            return name
        case bytes():  # in the abstract namespace, which begins with a NUL (unix(7)); written as systemd does
            return "@" + os.fsdecode(name[1:])
        case _:
            return host_port(*name[:2])


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
