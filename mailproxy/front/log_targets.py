"""Warnings about log targets that do not work on this machine; the service runs without them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mailproxy.config import Config
from mailproxy.config.target import Journal, LogFile, LogTarget, SyslogSocket
from mailproxy.config.words import key_path

JOURNAL = "/run/systemd/journal/dev-log"
"""On a machine with systemd, `/dev/log` is a link to this."""


def target_warnings(settings: Config) -> tuple[str, ...]:
    """Return the current problems of a configuration's log targets; it looks at files."""
    logs = {"log": settings.log}
    for name, log in settings.frontend_logs.items():
        if log.target != settings.log.target:
            logs[key_path("frontend", name, "log")] = log
    return tuple(
        f"{key_path(key, 'target')}: {problem}" for key, log in logs.items() for problem in _problems(log.target)
    )


def _problems(target: LogTarget) -> Iterator[str]:
    match target:
        case LogFile(path):
            folder = os.path.dirname(path)
            if not os.path.isdir(folder):
                yield f"{path} cannot be written: there is no folder {folder}"
            elif os.path.isdir(path):
                yield f"{path} cannot be written: it is a folder"
            elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
                yield f"{path} cannot be written: permission denied"
        case Journal(path) | SyslogSocket(path):
            if not os.path.exists(path):
                yield f"{path} does not exist: is the service that listens there running?"
            elif isinstance(target, SyslogSocket) and os.path.realpath(path) == JOURNAL:
                yield f'{path} is journald\'s, which does not read RFC 5424: "journal" keeps the fields apart'
