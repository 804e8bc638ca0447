"""Loopback ports that are reserved for the whole test run."""

import errno
import socket
import sys
from functools import cache
from pathlib import Path

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_LISTEN = "0A"  # the state column of /proc/net/tcp
_ACCEPTS = 0x10000  # __SO_ACCEPTCON in the flags column of /proc/net/unix

_reserved: list[socket.socket] = []


@cache
def has_ipv6() -> bool:
    """Whether ::1 can be bound on this machine."""
    try:
        _bound(socket.AF_INET6, 0).close()
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
        first = _bound(socket.AF_INET, 0)
        port: int = first.getsockname()[1]
        _reserved.append(first)
        if not has_ipv6():
            return port
        try:
            _reserved.append(_bound(socket.AF_INET6, port))
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
    Whether another process listens on a port, of one IPv4 address or of any.

    It is looked up without connecting to it: a probe would count as a client.
    """
    # /proc shows the address as the bytes in memory, read as a number of this machine.
    address = None if host is None else f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}"
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        with table.open() as lines:
            next(lines)
            for line in lines:
                _, local, _, state, *_ = line.split()
                if state != _LISTEN:
                    break  # the kernel lists all listeners first; of the others there may be very many
                found, _, number = local.rpartition(":")
                if int(number, 16) == port and address in (None, found):
                    return True
    return False


def is_listening_at(path: Path) -> bool:
    """
    Whether a process listens on a UNIX socket, whose file exists a moment earlier; no connection is made.

    HAProxy gives the file its name when it has bound the socket; the kernel goes by the name before, which is longer.
    """
    with Path("/proc/net/unix").open() as lines:
        sockets = [line for line in lines if line.split()[-1].startswith(str(path))]
    return path.is_socket() and any(int(line.split()[3], 16) & _ACCEPTS for line in sockets)


def _bound(family: socket.AddressFamily, port: int) -> socket.socket:
    reserving = socket.socket(family, socket.SOCK_STREAM)
    reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        reserving.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        reserving.bind((LOOPBACK[family], port))
    except OSError:
        reserving.close()
        raise
    return reserving
