"""The files of one certificate: which there are, what they look like from outside, and what is in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from attrs import frozen

from mailproxy.tls.certificate import UnusableCertificate
from mailproxy.tls.patterns import STAPLE_SUFFIX

PAIRS = (("fullchain.pem", "privkey.pem"), ("tls.crt", "tls.key"))
"""The certificate with its chain, and the key, in a folder: of ACME clients, and of Kubernetes' secrets of type tls."""

# Certificates have a few KiB each, with ML-DSA some more, and chains are short: this is no certificate.
MOST_BYTES = 1024 * 1024

# A writer that replaces several files, or writes one in several goes, is done within this time. It is also more than
# the steps of a file system's clock: a file that was read so soon after a change may change again unseen.
SETTLING_SECONDS = 2.0

# How often files that change while they are read are read again at once.
_TRIES = 3

ReadFile = Callable[[str], bytes]
"""Reads one file; raises OSError or `UnusableCertificate`."""

Mark = tuple[int, ...]
"""Device, inode, size, the times of the last change in ns (mtime and ctime) and the mode; or the errno of no file."""


@frozen
class Marks:
    """What the files of a certificate look like from outside."""

    of_files: tuple[tuple[str, Mark], ...]

    def are_fresh(self, now: float) -> bool:
        """Tell whether a file has just changed, by the wall clock."""
        return any(abs(now - mark[3] / 1e9) < SETTLING_SECONDS for _, mark in self.of_files if len(mark) > 1)


@frozen
class Content:
    """What the files of a certificate have in them, and what they looked like then; no marks if they kept changing."""

    pem: bytes
    staple: bytes | None
    marks: Marks | None


def look_at(path: str) -> Marks:
    """Look at the files of a certificate, without reading them."""
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
    """Read the files of a certificate as they are at one time; raises OSError or `UnusableCertificate`."""
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
    """Read a file with a certificate, and nothing but a file; raises OSError or `UnusableCertificate`."""
    return read_up_to(path, MOST_BYTES)


def read_up_to(path: str, most: int) -> bytes:
    """Read a file of `most` bytes at most, and nothing but a file; raises OSError or `UnusableCertificate`."""
    # Opening a FIFO would wait for somebody to write to it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise UnusableCertificate("is not a file")
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UnusableCertificate(f"has more than {most // 1024} KiB, the most that is read")
    return data


def is_changing(path: str, now: float) -> bool:
    """Tell whether a folder has got or lost something just now, by the wall clock."""
    try:
        return abs(now - os.stat(path).st_mtime) < SETTLING_SECONDS
    except OSError:
        return False


def staple_file(path: str) -> str:
    """Return the file for the OCSP response of the certificate at `path`."""
    return (_pair(path)[0] if os.path.isdir(path) else path) + STAPLE_SUFFIX


def key_file(path: str) -> str:
    """Return the file that has the key of the certificate at `path`."""
    return _pair(path)[1] if os.path.isdir(path) else path


def _pair(folder: str) -> tuple[str, str]:
    """Return the two files in a folder; raises `UnusableCertificate` if they are not there."""
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
    """Read an OCSP response; one that cannot be read is empty, which is no OCSP response."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except (OSError, UnusableCertificate):
        return b""
