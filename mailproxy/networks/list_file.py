"""
A file that lists networks: one network or address a line; a comment begins with ``#`` or ``;``.

The semicolon is that of Spamhaus' lists, which can be used as they are.
"""

from __future__ import annotations

import os
import stat
from socket import AF_INET, AF_INET6, inet_pton

from attrs import frozen

from mailproxy.config.kind import WrongValue
from mailproxy.config.senders import NETWORK
from mailproxy.config.words import quoted
from mailproxy.networks.network_set import NetworkSet, Range
from mailproxy.networks.width import WIDEST_BAN, is_too_wide, width_problem
from mailproxy.proxyprotocol.mapped import MAPPED

MAX_BYTES = 64 * 1024 * 1024
"""The most bytes of a file; a larger one is not a list of networks."""

MAX_NETWORKS = 500_000
"""The most networks of a file: a million take a minute with other processes, and logins wait a second meanwhile."""

State = tuple[int, ...]
"""Device, inode, size and mtime of a file; or the errno if there is none."""


@frozen
class UnusableList(Exception):
    """A file does not have a list of networks; `line` is the first wrong line, 0 if the file cannot be read."""

    path: str
    line: int
    problem: str
    may_pass: bool = False
    """True if the same file may be readable later: there were no descriptors, or no permission."""

    def __str__(self) -> str:
        """Write it as one line, which begins with the place: ``file:line: …``."""
        return f"{self.path}:{self.line}: {self.problem}" if self.line else f"{self.path}: {self.problem}"


def state_of(path: str) -> State:
    """Return a value that changes when the file changes."""
    try:
        found = os.stat(path)
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_list(path: str, *, bans: bool = False) -> NetworkSet:
    """
    Read a file; raises `UnusableList`. 100,000 lines take a fifth of a second.

    If its networks are `bans`, each that is too wide is wrong.
    """
    try:
        # Opening a FIFO would wait for a writer.
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise UnusableList(path, 0, "is not a file")
        if found.st_size > MAX_BYTES:
            raise _too_large(path)
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnusableList(path, 0, f"cannot be read: {error.strerror}", may_pass=True) from None
    if len(data) > MAX_BYTES:
        raise _too_large(path)
    return parse_list(data, path, bans=bans)


def _too_large(path: str) -> UnusableList:
    return UnusableList(path, 0, f"has more than {MAX_BYTES // 1024 // 1024} MiB, the most that is read")


def parse_list(data: bytes, path: str, *, bans: bool = False) -> NetworkSet:
    """Read the content of the file `path`; raises `UnusableList` with the first wrong line."""
    least4, least6 = (WIDEST_BAN[4], WIDEST_BAN[16]) if bans else (0, 0)
    ranges4: list[Range] = []
    ranges6: list[Range] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = line.partition(b"#")[0].partition(b";")[0].strip()
        if not text:
            continue
        try:
            if b":" in text:
                ranges6.append(_range6(text.decode("ascii"), least6))
            else:
                ranges4.append(_range4(text.decode("ascii"), least4))
        except (OSError, ValueError):
            raise UnusableList(path, number, _what_is_wrong(text, bans=bans)) from None
        if len(ranges4) + len(ranges6) > MAX_NETWORKS:
            raise UnusableList(path, number, f"is network {MAX_NETWORKS + 1}; a list has {MAX_NETWORKS} at most")
    return NetworkSet(ranges4, ranges6)


def _range4(text: str, least: int) -> Range:
    host, slash, bits = text.partition("/")
    return _range(int.from_bytes(inet_pton(AF_INET, host)), _bits(bits, least, 32) if slash else 32, 32)


def _range6(text: str, least: int) -> Range:
    host, slash, bits = text.partition("/")
    packed = inet_pton(AF_INET6, host)
    if packed.startswith(MAPPED):
        raise ValueError(text)  # IPv4 in IPv6 form would never match
    return _range(int.from_bytes(packed), _bits(bits, least, 128) if slash else 128, 128)


def _bits(text: str, least: int, most: int) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        raise ValueError(text)
    return int(text)


def _range(first: int, bits: int, width: int) -> Range:
    size = 1 << (width - bits)
    if first & (size - 1):
        raise ValueError(first)
    return first, first + size


def _what_is_wrong(text: bytes, *, bans: bool) -> str:
    """Describe a wrong line in the words that the configuration uses for a network."""
    try:
        network = NETWORK.read(text.decode("utf-8", "replace"))
    except WrongValue as error:
        return str(error)
    first = network.network_address.packed
    if bans and is_too_wide(first, network.prefixlen):
        return f"is {quoted(text.decode('ascii'))}, {width_problem(len(first))}"
    return f"is not a network as mailproxy reads it: {text.decode('ascii')}"
