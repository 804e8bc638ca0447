"""What systemd says in the environment of a service: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

LISTEN_KEYS = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: those before are standard input, output and error."""

MAX_DESCRIPTORS = 65536
"""More than any unit hands over: a larger number is no number of descriptors."""

UNKNOWN_NAME = "unknown"
"""What libsystemd calls a descriptor without a name."""


def descriptor_names(environment: Mapping[str, str], pid: int) -> tuple[str, ...]:
    """Return the names of the descriptors that were handed to this process, from `FIRST_DESCRIPTOR` on."""
    if _number(environment.get("LISTEN_PID", "")) != pid:
        return ()
    count = _number(environment.get("LISTEN_FDS", ""))
    if count is None or not 0 < count <= MAX_DESCRIPTORS:
        return ()
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    return tuple(names) if len(names) == count and all(names) else (UNKNOWN_NAME,) * count


def notify_address(environment: Mapping[str, str]) -> bytes | None:
    """Return the address of the UNIX socket for messages to systemd; None if there is none that is usable."""
    name = environment.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@") or len(name) < 2:
        return None
    path = name.encode(errors="surrogateescape")
    return b"\0" + path[1:] if name[0] == "@" else path


def watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    """Return the time after which systemd ends this process if it has not heard of it; None: never."""
    wanted = environment.get("WATCHDOG_PID", "")
    if wanted and _number(wanted) != pid:
        return None
    microseconds = _number(environment.get("WATCHDOG_USEC", ""))
    return microseconds / 1_000_000 if microseconds else None


def _number(digits: str) -> int | None:
    return int(digits) if re.fullmatch("[0-9]{1,18}", digits) else None
