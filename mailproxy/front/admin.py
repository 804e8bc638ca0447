"""The listening admin socket, by its path."""

from __future__ import annotations

import errno
import os
import socket
import stat

from mailproxy.front.sockets import StartError
from mailproxy.transport.bound import Bound, adopt, bind_unix

MODE = 0o600
"""Only the user of the service and root may connect."""


class AdminSockets:
    """
    The process's listening admin socket, or two while a reload replaces one by another (mutable).

    Opening one may need privileges; it needs no reactor, and survives a fork.
    """

    def __init__(self) -> None:
        self._open: dict[str, Bound] = {}
        self._offered: dict[str, socket.socket] = {}

    def offer(self, sock: socket.socket) -> None:
        """Take a socket that another process has opened; `bind` uses it instead of a new one."""
        self._offered[sock.getsockname()] = sock

    def close_offered(self) -> None:
        """Close the offered socket if it is not used."""
        while self._offered:
            self._offered.popitem()[1].close()

    @property
    def sockets(self) -> list[socket.socket]:
        """The open sockets."""
        return [bound.socket for bound in self._open.values()]

    def share(self, *, with_others: bool) -> None:
        """With `with_others`, another process has the sockets as well, so their files are not removed on close."""
        for bound in self._open.values():
            bound.is_shared = with_others

    def bind(self, path: str | None) -> bool:
        """Listen at a path, unless it is None; return whether that is new; raise `StartError` if it fails."""
        if path is None or path in self._open:
            return False
        try:
            offered = self._offered.pop(path, None)
            self._open[path] = bind_unix(path, MODE) if offered is None else adopt(offered)
        except OSError as error:
            raise StartError(f"admin.socket: cannot listen on {path}: {_reason(path, error)}") from None
        return True

    def at(self, path: str | None) -> Bound | None:
        """Return the socket at a path; None if the path is None."""
        return None if path is None else self._open[path]

    def close(self, path: str | None) -> None:
        """Close the socket at a path."""
        if path in self._open:
            self._open.pop(path).close()

    def close_others(self, path: str | None) -> None:
        """Close all but the socket at this path."""
        for other in [other for other in self._open if other != path]:
            self.close(other)


def _reason(path: str, error: OSError) -> str:
    """Return the reason why listening at a path fails; if the path is in use, say by what."""
    if error.errno != errno.EADDRINUSE:
        return error.strerror or str(error)
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return "there is a file that is not a socket; name another path"
    return "another process listens there; if that is mailproxy, stop it first, or name another path"
