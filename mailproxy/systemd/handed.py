"""The sockets that systemd hands to a service at its start: those of socket units, and those of the last process."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import frozen

from mailproxy.systemd.environment import FIRST_DESCRIPTOR, LISTEN_KEYS, descriptor_names
from mailproxy.systemd.message import is_stored

# These are taken before anything else is imported.
if TYPE_CHECKING:
    from mailproxy.front.socket_source import SocketSource


@frozen
class Stored:
    """A socket that the last process of this service has stored."""

    name: str
    """Its name in the store."""
    socket: socket.socket
    inode: int

    @property
    def is_reachable(self) -> bool:
        """False for a UNIX socket whose file is gone: systemd removes a RuntimeDirectory unless it is told not to."""
        name = self.socket.getsockname()
        return not isinstance(name, str) or os.path.exists(name)


@frozen
class Handed:
    """Listening sockets from systemd."""

    units: Sequence[tuple[str, socket.socket]] = ()
    """Those of socket units, each with its FileDescriptorName."""
    stored: Sequence[Stored] = ()

    @property
    def sockets(self) -> list[socket.socket]:
        """All of them."""
        return [*(sock for _, sock in self.units), *(one.socket for one in self.stored)]

    def lend_to(self, source: SocketSource) -> None:
        """Have them used where the configuration wants to listen on them."""
        for name, sock in self.units:
            source.lend(name, sock)
        source.offer(one.socket for one in self.stored if one.is_reachable)


def take_handed(
    environment: MutableMapping[str, str] = os.environ, pid: int | None = None, first: int = FIRST_DESCRIPTOR
) -> Handed:
    """
    Take the descriptors that were handed to this process, once; what is no listening stream socket is closed.

    The variables leave the environment: Twisted reads them as well, and fails with a number that is out of range.
    """
    units: list[tuple[str, socket.socket]] = []
    stored: list[Stored] = []
    names = descriptor_names(environment, pid or os.getpid())
    for key in LISTEN_KEYS:
        environment.pop(key, None)
    for descriptor, name in enumerate(names, first):
        sock = _listening(descriptor)
        if sock is not None and is_stored(name):
            stored.append(Stored(name, sock, os.fstat(descriptor).st_ino))
        elif sock is not None:
            units.append((name, sock))
    return Handed(tuple(units), tuple(stored))


def _listening(descriptor: int) -> socket.socket | None:
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
    except OSError:
        _close(descriptor)
        return None
    is_known = sock.family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX) and sock.type == socket.SOCK_STREAM
    # One that refused clients in the last process does not listen: it is ours as well.
    if is_known and _has_address(sock) and not _is_connected(sock):
        return sock
    sock.close()
    return None


def _has_address(sock: socket.socket) -> bool:
    """False for a socket that is not bound: to listen on it would open a random port on all addresses."""
    name = sock.getsockname()
    return bool(name[1] if isinstance(name, tuple) else name)


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _close(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)
