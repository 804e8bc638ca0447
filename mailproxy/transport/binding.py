"""The ways to a listening socket: bind an address or a path, or take the socket of another process."""

from __future__ import annotations

import os
import socket
import stat

from mailproxy.transport.bound import BACKLOG, Bound


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
