"""The listening socket for administrators, by its path."""

from __future__ import annotations

import errno
import os
import stat

from mailproxy.front.sockets import StartError
from mailproxy.transport.bound import Bound, bind_unix

MODE = 0o600
"""Nobody but the user of the service connects, and root."""


class AdminSockets:
    """
    The socket that the process listens on for administrators, or two while one reading follows another.

    Opening one may need privileges; it needs no reactor, and survives a fork.
    """

    def __init__(self) -> None:
        self._open: dict[str, Bound] = {}

    def bind(self, path: str | None) -> bool:
        """Listen at a path, None for nowhere; return whether that is new. `StartError` if it cannot be."""
        if path is None or path in self._open:
            return False
        try:
            self._open[path] = bind_unix(path, MODE)
        except OSError as error:
            raise StartError(f"admin.socket: cannot listen on {path}: {_reason(path, error)}") from None
        return True

    def at(self, path: str | None) -> Bound | None:
        """Return the socket at a path; None for nowhere."""
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
    """Say why a path cannot be listened at, and if it is taken, by what."""
    if error.errno != errno.EADDRINUSE:
        return error.strerror or str(error)
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        return "there is a file that is not a socket; name another path"
    return "another process listens there; if that is mailproxy, stop it first, or name another path"
