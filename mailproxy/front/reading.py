"""A configuration as it was read from its file, with everything that the file names."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from attrs import frozen

from mailproxy import config
from mailproxy.config import ConfigError, Problem, load
from mailproxy.front.prepare import Files, read_files, warnings_of
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.store import CertificateStore

READS = 5
"""How often a file is read that changes meanwhile, before that is an error: an editor is done by then."""


@frozen
class Reading:
    """A configuration whose files are read and judged; nothing of it has begun."""

    settings: config.Config
    source: str
    files: Files
    warnings: tuple[str, ...]
    """What an admin should know of it, one line each."""


def read(path: str, tls: TlsServers, store: CertificateStore) -> Reading:
    """
    Read the configuration at `path`, and what it names.

    `tls` is what the process has, which is only read; `store` is what it knows of certificates' files.

    A file that changes meanwhile may be half written, so it is read again. May run in a thread. Raises `ConfigError`
    with everything that is wrong.
    """
    for _ in range(READS):
        before = _state_of(path)
        try:
            settings = load(path)
            files = read_files(settings, path, tls, store)
            now = datetime.now(UTC)
            warnings = warnings_of(settings, files.certificates, files.complaints, files.trusts, now)
        except ConfigError:
            if _state_of(path) == before:
                raise
            continue
        if _state_of(path) == before:
            return Reading(settings, path, files, warnings)
    raise ConfigError([Problem("", f"changed while it was read, {READS} times; reload when it is complete")], path)


def _state_of(path: str) -> tuple[int, ...] | None:
    """Return what changes when a file does; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
