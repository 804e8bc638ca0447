"""Messages to systemd (sd_notify(3)): a line for each assignment."""

from __future__ import annotations

from urllib.parse import quote

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

_STORED = "bind "
_LONGEST_NAME = 255


def message(*lines: str) -> bytes:
    """Put assignments together."""
    return "\n".join(lines).encode(errors="replace")


def status(words: str) -> str:
    """Assign the line that `systemctl status` shows."""
    return f"STATUS={' '.join(words.split())}"


def reloading(monotonic_ns: int) -> str:
    """Assign the beginning of a reload, at this time of CLOCK_MONOTONIC: systemd tells by it which reload this is."""
    return f"RELOADING=1\nMONOTONIC_USEC={monotonic_ns // 1000}"


def extend(seconds: float) -> str:
    """Ask for this time until the next step of a start or a stop."""
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}"


def store(name: str) -> bytes:
    """Hand over a descriptor, which systemd gives back to the next process of this service."""
    # A listening socket that refuses clients for a while looks ended: systemd is not to look.
    return message("FDSTORE=1", "FDPOLL=0", f"FDNAME={name}")


def unstore(name: str) -> bytes:
    """Let systemd close the descriptors of a name."""
    return message("FDSTOREREMOVE=1", f"FDNAME={name}")


def stored_name(place: str) -> str:
    """Return the name of a socket in the store, from its address with the family, or its path."""
    # A name is printable ASCII without colons.
    return (_STORED + quote(place, safe=" /[],@"))[:_LONGEST_NAME]


def is_stored(name: str) -> bool:
    """Return whether a descriptor has the name of one from the store, and not one from a socket unit."""
    return name.startswith(_STORED)
