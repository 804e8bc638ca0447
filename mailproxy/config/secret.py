"""Secrets from files, one line each, so that the configuration itself has no secrets."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from mailproxy.config.config import Config
from mailproxy.config.model import FileContent, NamedFile
from mailproxy.config.problems import Problem

MAX_BYTES = 4096
"""Far more than a password or key needs: a longer file is probably the wrong one."""

SHORTEST_TOKEN = 16
"""Shorter ones could be guessed."""

_READABLE_BY_ALL = stat.S_IROTH


class UnusableSecret(ValueError):
    """The file has no usable secret; the message continues ``FILE: …`` and does not quote the file."""


def read_secret(path: str) -> str:
    """Read the only line of the file at `path`, without its end; raises `UnusableSecret`."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO would wait for a writer
            raise UnusableSecret("is not a file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnusableSecret(f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UnusableSecret(f"has more than {MAX_BYTES} bytes; a secret is one line")
    return _line(data)


def read_authorization(path: str) -> str:
    """Read the value of an Authorization header, as `read_secret`."""
    value = read_secret(path)
    if not value.isascii():
        raise UnusableSecret("is not ASCII, as an HTTP header has to be")
    return value


def read_token(path: str) -> str:
    """Read a token for HTTP, as `read_secret`; a file that every user of the machine can read is refused."""
    token = read_secret(path)
    exposed = exposure(path)
    if exposed is not None:
        raise UnusableSecret(exposed)
    if not token.isascii() or " " in token:
        raise UnusableSecret("is not of ASCII letters, digits and signs alone, as an HTTP header has to be")
    if len(token) < SHORTEST_TOKEN:
        raise UnusableSecret(
            f"has {len(token)} characters, needs at least {SHORTEST_TOKEN}; `openssl rand -hex 32` makes a token"
        )
    return token


def _line(data: bytes) -> str:
    try:
        lines = data.decode().removesuffix("\n").removesuffix("\r").split("\n")
    except UnicodeDecodeError:
        raise UnusableSecret("is not UTF-8") from None
    if len(lines) > 1:
        raise UnusableSecret(f"has {len(lines)} lines, needs one")
    if not lines[0]:
        raise UnusableSecret("is empty")
    if not lines[0].isprintable():
        raise UnusableSecret("has a control character in it")
    return lines[0]


def exposure(path: str) -> str | None:
    """Return a warning, to continue ``FILE: …``, if every user of the machine can read the file; else None."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None  # it has gone meanwhile
    if not mode & _READABLE_BY_ALL:
        return None
    return f"can be read by every user of this machine (mode {mode:04o}); make it unreadable for others: chmod o="


def secret_problems(config: Config) -> Iterator[Problem]:
    """Read every file with a secret; yield each problem with its key."""
    for file in _named(config):
        try:
            _READERS[file.content](file.path)
        except UnusableSecret as error:
            yield Problem(file.key, f"{file.path}: {error}")


def secret_warnings(config: Config) -> Iterator[str]:
    """Yield a line for each secret of checks and bans that every user of the machine can read."""
    for path in dict.fromkeys(file.path for file in _named(config) if file.content != "token"):
        exposed = exposure(path)
        if exposed is not None:
            yield f"{path}: {exposed}"


_READERS: Mapping[FileContent, Callable[[str], str]] = {
    "password": read_secret,
    "authorization": read_authorization,
    "token": read_token,
}


def _named(config: Config) -> Iterator[NamedFile]:
    files = chain(config.admin.files, config.bans.files, *(backend.files for backend in config.backends.values()))
    return (file for file in files if file.content in _READERS)
