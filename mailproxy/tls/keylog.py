"""
A file with the secrets of TLS connections, in NSS's format, for Wireshark (draft-ietf-tls-keylogfile).

With this file, recordings of the connections can be decrypted, passwords included.
"""

from __future__ import annotations

import os
import stat
import weakref

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

# Opening a FIFO would wait for a reader, and a link could lead to a file that others read.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class KeyLog:
    """Writes to one file, created with mode 0600 at the first line; lines that cannot be written are dropped."""

    def __init__(self, path: str) -> None:
        """Take the path of the file."""
        self._path = path
        self._descriptor: int | None = None

    def write(self, line: bytes) -> None:
        """Write one line; the line end is added."""
        try:
            if self._descriptor is None:
                self._descriptor = _open(self._path)
                weakref.finalize(self, os.close, self._descriptor)
            # With one write, because other processes write to the file as well.
            os.write(self._descriptor, line + b"\n")
        except OSError:
            pass  # the handshake matters more


def _open(path: str) -> int:
    descriptor = os.open(path, _FLAGS, 0o600)
    objection = _objection(os.fstat(descriptor))
    if objection:
        os.close(descriptor)
        raise OSError(objection)
    return descriptor


def keylog_objection(path: str) -> str:
    """Return why secrets cannot be written to a file, as text after ``FILE: ``; "" if they can. Creates nothing."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        folder = os.path.dirname(path)
        return "" if os.access(folder, os.W_OK | os.X_OK) else f"cannot be made: {folder} is not there, or not writable"
    except OSError as error:
        return f"cannot be made: {error.strerror}"
    return _objection(found) or ("" if os.access(path, os.W_OK) else "cannot be written to")


def _objection(found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "is not a file"
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        return f"is open to others besides its owner (mode {mode:04o}); remove it or chmod 600 it"
    return ""
