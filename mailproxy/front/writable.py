"""
Folders in which the service's user may write, and whose files a process reads that may read any file.

Started as root, the main process with workers keeps the right to read any file (CAP_DAC_READ_SEARCH), for keys of root
that renew. Who can write to a folder of its files can put a link there to a key that is none of theirs.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Collection, Iterator

from mailproxy.config import Config
from mailproxy.config.words import key_path
from mailproxy.tls.store import Certificates

_CAP_DAC_READ_SEARCH = 2


def writable_warnings(settings: Config, certificates: Certificates) -> Iterator[str]:
    """Yield a line for each such folder; nothing for a process that may not read the files of others."""
    if settings.user is None or not settings.workers or not _reads_any_file():
        return
    try:
        user = pwd.getpwnam(settings.user)
        gid = user.pw_gid if settings.group is None else grp.getgrnam(settings.group).gr_gid
    except KeyError:
        return  # the start says so
    groups = {*os.getgrouplist(settings.user, gid), gid}
    reported: set[str] = set()
    for key, path in _paths(settings, certificates):
        for folder in _folders(path):
            if folder not in reported and _may_write(folder, user.pw_uid, groups):
                reported.add(folder)
                yield (
                    f"{key}: the folder {folder} is writable by user {settings.user}, who could put links there and so "
                    "make the service read any file: let root alone write there"
                )


def _paths(settings: Config, certificates: Certificates) -> Iterator[tuple[str, str]]:
    """Yield the files and folders that are read, each with the key that names it."""
    for name, found in certificates.items():
        for certificate in found:
            yield key_path("tls", name, "certificates"), certificate.path
    for name, profile in settings.tls.items():
        for path in profile.client_ca:
            yield key_path("tls", name, "client-ca"), path
        for path in profile.client_crl:
            yield key_path("tls", name, "client-crl"), path
    for backend in settings.backends.values():
        for file in backend.files:
            yield file.key, file.path


def _folders(path: str) -> Iterator[str]:
    """Yield all folders on the way to a path, and where its links lead; the path itself if it is a folder."""
    for way in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
        if os.path.isdir(way):
            yield way
        while (folder := os.path.dirname(way)) != way:
            yield folder
            way = folder


def _may_write(folder: str, uid: int, groups: Collection[int]) -> bool:
    """Return whether a user may replace what a folder has; in one like /tmp, only what is the user's."""
    try:
        found = os.stat(folder)
    except OSError:
        return False
    if found.st_uid == uid:
        return True  # the owner can give the right to write to himself
    if found.st_mode & stat.S_ISVTX:
        return False
    return bool(found.st_mode & (stat.S_IWGRP if found.st_gid in groups else stat.S_IWOTH))


def _reads_any_file() -> bool:
    """Return whether this process has the capability."""
    with open("/proc/self/status") as status:
        effective = next(line.split()[1] for line in status if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_DAC_READ_SEARCH & 1)
