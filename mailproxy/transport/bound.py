"""Listening sockets: bound once, and kept as long as the process listens there."""

from __future__ import annotations

import os
import socket
import stat
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


def adopt(sock: socket.socket) -> Bound:
    """Listen on a socket that another process has opened, and has still; OSError if that fails."""
    sock.setblocking(False)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.listen(BACKLOG)
    bound = Bound(sock, is_shared=True)
    bound.let_in()  # the other process may have ended during a drain
    return bound


def borrow(sock: socket.socket) -> Bound:
    """Listen on a socket that belongs to another process; OSError if that fails."""
    if sock.family == socket.AF_INET6 and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        raise OSError("the socket takes IPv4 clients as well; write BindIPv6Only=ipv6-only into its unit")
    bound = adopt(sock.dup())
    bound.is_lent = True
    return bound


def bind_inet(family: socket.AddressFamily, host: str, port: int) -> Bound:
    """Listen on an address and port; OSError if that fails."""
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
    return Bound(sock)


def bind_unix(path: str, mode: int | None = None) -> Bound:
    """
    Listen on a UNIX socket, and replace a file without a listener; OSError if that fails.

    Its file has the `mode` from the first moment on; None leaves that to the umask.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if mode is not None:
            os.fchmod(sock.fileno(), mode)  # Linux gives the file the mode that the socket has
        _remove_stale(path)
        sock.bind(path)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return Bound(sock)


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # connecting to a socket with a full queue would block
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
