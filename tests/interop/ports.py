"""Loopback ports that are reserved for the whole test run."""

import errno
import socket
from functools import cache
from pathlib import Path

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_ACCEPTS = 0x10000  # __SO_ACCEPTCON in the flags column of /proc/net/unix

_reserved: list[socket.socket] = []


@cache
def has_ipv6() -> bool:
    """Whether ::1 can be bound on this machine."""
    try:
        _bound(LOOPBACK[socket.AF_INET6], 0).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """
    A TCP port without a listener, on 127.0.0.1 and ::1.

    Sockets reserve it: they are bound and do not listen. Linux then gives the port to no other socket, except to a
    server with SO_REUSEADDR, which all servers set. Meanwhile a connect to it is refused.
    """
    while True:
        first = _bound(LOOPBACK[socket.AF_INET], 0)
        port: int = first.getsockname()[1]
        _reserved.append(first)
        if not has_ipv6():
            return port
        try:
            _reserved.append(_bound(LOOPBACK[socket.AF_INET6], port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port


def release_all() -> None:
    """Give every reserved port back."""
    while _reserved:
        _reserved.pop().close()


def is_listening(port: int, host: str | None = None) -> bool:
    """
    Whether another process listens on a port, of one IPv4 address or of either loopback address.

    Linux lets this bind a socket there, as `free_port` does, unless one listens. A connection instead would count as a
    client, and the kernel's table of sockets takes milliseconds to read.
    """
    hosts = LOOPBACK.values() if host is None else (host,)
    return any(_is_refused(host, port) for host in hosts if has_ipv6() or ":" not in host)


def is_listening_at(path: Path) -> bool:
    """
    Whether a process listens on a UNIX socket, whose file exists a moment earlier; no connection is made.

    HAProxy gives the file its name when it has bound the socket; the kernel goes by the name before, which is longer.
    """
    return path.is_socket() and any(name.startswith(str(path)) for name, _ in _unix_listeners())


def listener_at(path: Path) -> int:
    """The inode of the only UNIX socket that listens at a path."""
    (inode,) = (inode for name, inode in _unix_listeners() if name == str(path))
    return inode


def _unix_listeners() -> list[tuple[str, int]]:
    """The names and inodes of all UNIX sockets that listen."""
    with Path("/proc/net/unix").open() as lines:
        next(lines)  # the headings
        sockets = [line.split() for line in lines]
    return [(words[-1], int(words[6])) for words in sockets if int(words[3], 16) & _ACCEPTS]


def _is_refused(host: str, port: int) -> bool:
    try:
        _bound(host, port).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return True
    return False


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserving = socket.socket(family, socket.SOCK_STREAM)
    reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        reserving.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        reserving.bind((host, port))
    except OSError:
        reserving.close()
        raise
    return reserving
