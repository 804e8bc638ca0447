"""The files of one certificate: their paths, their state (`Marks`) and their content."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from attrs import frozen

from mailproxy.tls.patterns import STAPLE_SUFFIX
from mailproxy.tls.pem import UnusableCertificate

PAIRS = (("fullchain.pem", "privkey.pem"), ("tls.crt", "tls.key"))
"""File names for chain and key in a folder: those of ACME clients, and of Kubernetes secrets of type tls."""

# Certificates have a few KiB, more with ML-DSA, and chains are short: a larger file is not a certificate.
MAX_BYTES = 1024 * 1024

# A writer that replaces several files, or writes one in several parts, has finished after this time. It is also longer
# than the resolution of a file system's time stamps: a second change within that would not be seen.
SETTLING_SECONDS = 2.0

# The number of attempts to read files that change meanwhile.
_TRIES = 3

ReadFile = Callable[[str], bytes]
"""Reads one file; raises OSError or `UnusableCertificate`."""

Mark = tuple[int, ...]
"""Device, inode, size, mtime and ctime in ns, and mode; or the errno if there is no file."""


@frozen
class Marks:
    """The state of a certificate's files: inode, size and times, without their content."""

    of_files: tuple[tuple[str, Mark], ...]

    def are_fresh(self, now: float) -> bool:
        """Return whether a file has just changed, by the wall clock."""
        return any(abs(now - mark[3] / 1e9) < SETTLING_SECONDS for _, mark in self.of_files if len(mark) > 1)


@frozen
class Content:
    """The content of a certificate's files, and their marks at that time; no marks if the files kept changing."""

    pem: bytes
    staple: bytes | None
    marks: Marks | None


def look_at(path: str) -> Marks:
    """Return the marks of a certificate's files, without reading them."""
    found = _mark(path)
    if len(found) > 1 and stat.S_ISDIR(found[5]):
        names = [name for chain, key in PAIRS for name in (chain, key, chain + STAPLE_SUFFIX)]
        files = [os.path.join(path, name) for name in names]
        return Marks(tuple([(file, _mark(file)) for file in files]))
    staple = path + STAPLE_SUFFIX
    return Marks(((path, found), (staple, _mark(staple))))


def _mark(file: str) -> Mark:
    try:
        seen = os.stat(file)
    except OSError as error:
        return (error.errno or 0,)
    except ValueError:
        return (0,)  # a NUL in the path
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_mode


def read_content(path: str, read: ReadFile | None = None) -> Content:
    """Read the files of a certificate in one consistent state; raise OSError or `UnusableCertificate`."""
    read = read or read_file
    before = look_at(path)
    for _ in range(_TRIES):
        content = _read(path, read)
        after = look_at(path)
        if before == after:
            return Content(*content, after)
        before = after
    return Content(*content, None)


def read_file(path: str) -> bytes:
    """Read a regular file with a certificate; raise OSError or `UnusableCertificate`."""
    return read_up_to(path, MAX_BYTES)


def read_up_to(path: str, most: int) -> bytes:
    """Read a regular file of at most `most` bytes; raise OSError or `UnusableCertificate`."""
    # Opening a FIFO would wait for a writer.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise UnusableCertificate("is not a file")
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UnusableCertificate(f"has more than {most // 1024} KiB, the most that is read")
    return data


def is_changing(path: str, now: float) -> bool:
    """Return whether a folder has just changed, by the wall clock."""
    try:
        return abs(now - os.stat(path).st_mtime) < SETTLING_SECONDS
    except OSError:
        return False


def staple_file(path: str) -> str:
    """Return the path of the OCSP response for the certificate at `path`."""
    return (_pair(path)[0] if os.path.isdir(path) else path) + STAPLE_SUFFIX


def key_file(path: str) -> str:
    """Return the path of the file with the key of the certificate at `path`."""
    return _pair(path)[1] if os.path.isdir(path) else path


def _pair(folder: str) -> tuple[str, str]:
    """Return the two files in a folder; raise `UnusableCertificate` if they are missing."""
    found = os.listdir(folder)
    for chain, key in PAIRS:
        if chain in found and key in found:
            return os.path.join(folder, chain), os.path.join(folder, key)
    lacking = [name for pair in PAIRS for name in pair if name not in found and any(one in found for one in pair)]
    if len(lacking) == 1:
        raise UnusableCertificate(f"is a folder without {lacking[0]}; for the PEM files in it, add /*.pem")
    pairs = ", or ".join(f"{chain} and {key}" for chain, key in PAIRS)
    raise UnusableCertificate(f"is a folder without {pairs}; for the PEM files in it, add /*.pem")


def _read(path: str, read: ReadFile) -> tuple[bytes, bytes | None]:
    if os.path.isdir(path):
        chain, key = _pair(path)
        return b"\n".join((read(chain), read(key))), _read_staple(chain + STAPLE_SUFFIX, read)
    return read(path), _read_staple(path + STAPLE_SUFFIX, read)


def _read_staple(path: str, read: ReadFile) -> bytes | None:
    """Read an OCSP response; for one that cannot be read, return empty bytes, which are refused later."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except (OSError, UnusableCertificate):
        return b""
