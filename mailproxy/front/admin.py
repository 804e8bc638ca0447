"""The listening sockets for administrators: that of `mailproxy ctl`, and that of HTTP."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable

from attrs import frozen

from mailproxy.config import Admin, InetBind, UnixBind
from mailproxy.front.socket_source import SocketSource
from mailproxy.front.sockets import StartError
from mailproxy.transport.bound import Bound

SOCKET_MODE = 0o600
"""Only the user of the service and root may connect."""

Where = InetBind | UnixBind


@frozen
class AdminPlace:
    """A place where administrators connect, and the key of the configuration that names it."""

    key: str
    where: Where
    mode: int | None
    """The mode of a UNIX socket's file; None: the umask decides, as for the sockets of frontends."""


def admin_places(admin: Admin) -> tuple[AdminPlace, ...]:
    """Return the places that a configuration names."""
    socket = None if admin.socket is None else AdminPlace("admin.socket", UnixBind(admin.socket), SOCKET_MODE)
    http = None if admin.http is None else AdminPlace("admin.http", admin.http, None)
    return tuple(place for place in (socket, http) if place is not None)


class AdminSockets:
    """
    The process's listening sockets for administrators, and while a reload replaces some, the previous ones (mutable).

    Opening one may need privileges; it needs no reactor, and survives a fork.
    """

    def __init__(self) -> None:
        self._open: dict[Where, Bound] = {}
        self.source = SocketSource()
        """Has the sockets that the process did not open itself."""

    @property
    def sockets(self) -> list[socket.socket]:
        """The open sockets."""
        return [bound.socket for bound in self._open.values()]

    def share(self, *, with_others: bool) -> None:
        """With `with_others`, another process has the sockets as well, so their files are not removed on close."""
        for bound in self._open.values():
            bound.is_shared = with_others

    def bind(self, places: Iterable[AdminPlace]) -> list[Where]:
        """Listen at the places; return the new ones. If one fails, close the new ones and raise `StartError`."""
        opened: list[Where] = []
        for place in places:
            if place.where in self._open:
                continue
            try:
                self._open[place.where] = self.source.open(place.where, mode=place.mode)
            except OSError as error:
                self.close(opened)
                reason = _reason(place.where, error)
                raise StartError(f"{place.key}: cannot listen on {place.where}: {reason}") from None
            opened.append(place.where)
        return opened

    def at(self, where: Where | None) -> Bound | None:
        """Return the socket at a place; None if the place is None."""
        return None if where is None else self._open[where]

    def close(self, wheres: Iterable[Where]) -> None:
        """Close the sockets at these places."""
        for where in wheres:
            self._open.pop(where).close()

    def close_others(self, places: Iterable[AdminPlace]) -> None:
        """Close all but the sockets at these places."""
        self.close(self._open.keys() - {place.where for place in places})


def _reason(where: Where, error: OSError) -> str:
    """Return the reason why listening fails; if the path of a UNIX socket is in use, say by what."""
    if error.errno != errno.EADDRINUSE:
        return error.strerror or str(error)
    if isinstance(where, InetBind):
        return "another process listens there; stop it first, or name another port"
    if not stat.S_ISSOCK(os.lstat(where.path).st_mode):
        return "there is a file that is not a socket; name another path"
    return "another process listens there; if that is mailproxy, stop it first, or name another path"
