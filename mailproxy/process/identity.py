"""The user and group that a process becomes when it has done what needs root, and the capabilities that it keeps."""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from attrs import frozen

import mailproxy
import twisted
from mailproxy.config import Config
from mailproxy.front.sockets import StartError

# capabilities(7), prctl(2)
CAP_DAC_READ_SEARCH = 2
CAP_NET_BIND_SERVICE = 10

_PR_SET_KEEPCAPS = 8
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


@frozen
class Identity:
    """A user with the groups that are the user's."""

    user: str
    uid: int
    gid: int
    is_ours: bool
    """True if the process has it already."""

    def become(self, keep: Collection[int] = ()) -> None:
        """Be this user for good, with these capabilities alone; before there are threads, because each has its own."""
        if self.is_ours:
            return
        _prctl(_PR_SET_KEEPCAPS, 1)
        os.initgroups(self.user, self.gid)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        _keep(keep)
        # No program that is started can have more, either.
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)

    def check_modules(self) -> None:
        """
        Raise `StartError` if this user cannot read Python's modules: some are imported only when they are needed.

        The main process of workers may read them with `CAP_DAC_READ_SEARCH`, and workers have imported theirs.
        """
        with self.making_files():
            for module in (os, twisted, mailproxy):
                path = str(module.__file__)
                try:
                    os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                except OSError as error:
                    raise StartError(
                        f'user: is "{self.user}", who cannot read the modules of Python and mailproxy that are '
                        f"imported later ({path}: {error.strerror}): install both where every user can read them, "
                        "such as in /opt, or set workers = 1"
                    ) from None

    @contextmanager
    def making_files(self) -> Iterator[None]:
        """
        Make and remove files as this user; all else stays possible, such as listening on low ports.

        The files of UNIX sockets belong to the user then. To give them away by their names would let a user who can
        write to the folder put a link there, and own any file (setfsuid(2)).
        """
        if self.is_ours:
            yield
            return
        os.initgroups(self.user, self.gid)
        _libc.setfsgid(self.gid)
        _libc.setfsuid(self.uid)
        try:
            yield
        finally:
            _libc.setfsuid(os.geteuid())
            _libc.setfsgid(os.getegid())


def find_identity(settings: Config) -> Identity | None:
    """Return what `user` and `group` say, None if they say nothing; `StartError` if that cannot be."""
    if settings.user is None:
        return None
    try:
        found = pwd.getpwnam(settings.user)
    except KeyError:
        raise StartError(
            f'user: is "{settings.user}", and this machine has no such user; add it, or name another'
        ) from None
    try:
        gid = found.pw_gid if settings.group is None else grp.getgrnam(settings.group).gr_gid
    except KeyError:
        raise StartError(
            f'group: is "{settings.group}", and this machine has no such group; add it, or name another'
        ) from None
    is_ours = (os.geteuid(), os.getegid()) == (found.pw_uid, gid)
    if os.geteuid() != 0 and not is_ours:
        raise StartError(
            f'user: is "{settings.user}", and only root can become another user; this is user {os.geteuid()}, group '
            f"{os.getegid()}: start mailproxy as root, or leave the key out"
        )
    return Identity(settings.user, found.pw_uid, gid, is_ours)


def name_process(name: str) -> None:
    """Let `ps` and `top` call this process so; 15 letters at most."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def _keep(capabilities: Collection[int]) -> None:
    bits = sum(1 << number for number in capabilities)
    header = struct.pack("Ii", _VERSION_3, 0)
    # Effective, permitted, inheritable; for numbers below 32, and above.
    data = struct.pack("6I", bits, bits, 0, 0, 0, 0)
    if _libc.capset(header, data) < 0:
        raise StartError(f"user: capabilities cannot be dropped: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) < 0:
        raise StartError(f"user: prctl({option}) is refused: {os.strerror(ctypes.get_errno())}")
