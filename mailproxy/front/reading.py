"""A configuration that is read from its file, with all files that it names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from attrs import frozen

from mailproxy import config
from mailproxy.config import ConfigError, Problem, load
from mailproxy.front.files import Files, read_files
from mailproxy.front.warnings import warnings_of
from mailproxy.networks.network_list import NO_LISTS, NetworkList
from mailproxy.tls.renewed import Change, changes
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.steps import finish
from mailproxy.tls.store import Certificates, CertificateStore

READS = 5
"""The most attempts to read a file that changes meanwhile; an editor has finished by then."""


@frozen
class ReadConfiguration:
    """A configuration whose files are read and checked, and of which nothing has begun."""

    settings: config.Config
    source: str
    files: Files
    warnings: tuple[str, ...]
    """The warnings about it, one line each."""
    renewed: Mapping[str, tuple[Change, ...]]
    """The changes of certificates, for each profile that existed before."""


def read(
    path: str, tls: TlsServers, store: CertificateStore, lists: Mapping[str, NetworkList] = NO_LISTS
) -> ReadConfiguration:
    """
    Read the configuration at `path`, and the files that it names.

    `tls` is the process's, and only read; `store` is its cache of certificates' files, `lists`
    are its lists of networks.

    A file that changes meanwhile may be half-written, so it is read again. May run in a thread. Raises `ConfigError`
    with all problems.
    """
    for _ in range(READS):
        before = _state_of(path)
        try:
            settings = load(path)
            files = read_files(settings, path, tls, store, lists)
            warnings = warnings_of(settings, files, datetime.now(UTC))
        except ConfigError:
            if _state_of(path) == before:
                raise
            continue
        if _state_of(path) == before:
            return ReadConfiguration(settings, path, files, warnings, _renewed(store.in_use, files.certificates))
    raise ConfigError([Problem("", f"changed while it was read, {READS} times; reload when it is complete")], path)


def _renewed(before: Certificates, after: Certificates) -> Mapping[str, tuple[Change, ...]]:
    both = {name: finish(changes(name, before[name], after[name])) for name in after if name in before}
    return {name: found for name, found in both.items() if found}


def _state_of(path: str) -> tuple[int, ...] | None:
    """Return a value that changes when the file changes; None if there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
