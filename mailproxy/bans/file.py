"""
The file of bans: JSON, one ban a line, with the moments of the wall clock.

A machine without a battery for its clock starts in the past, and finds its time only later. So a ban has at most the
time that it had left when the file was written.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from math import inf
from typing import Any

from attrs import frozen

from mailproxy.bans.ban import Ban, is_origin, read_key
from mailproxy.bans.bans import MAX_BANS, clean_reason
from mailproxy.bans.rows import LONGEST_VALUE, TOO_LONG, rows

# A ban has about 150 bytes.
MAX_BYTES = 256 * 1024 * 1024

_VERSION = 1


@frozen
class Moment:
    """One moment by both clocks: the monotonic clock of the machine, and the wall clock."""

    monotonic: float
    wall: float


class UnusableBans(Exception):
    """The file of bans cannot be used; the message continues ``FILE: …``."""


def read_bans(path: str, now: Moment) -> tuple[Ban, ...]:
    """Read the bans that have not ended; none if there is no file. Raises `UnusableBans`."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO would wait for a writer
            raise UnusableBans("is not a file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UnusableBans(f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UnusableBans(f"has more than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return tuple(_read(data.decode(), now))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UnusableBans(f"is not a file of bans: {what}") from None


def _read(text: str, now: Moment) -> Iterator[Ban]:
    written = now.wall
    count = 0
    is_known = False
    for name, value in rows(text, ("bans",)):
        match name:
            case "version":
                is_known = value == _VERSION
            case "written":
                written = _seconds(value)
            case "bans":
                count += 1
                if count > MAX_BANS:
                    raise ValueError(f"it has more than {MAX_BANS} bans")
                ban = _ban(value, now, written)
                if ban.end > now.monotonic:
                    yield ban
    if not is_known:
        raise ValueError(f"its version is not {_VERSION}")


def _ban(row: Any, now: Moment, written: float) -> Ban:
    if row is TOO_LONG:
        raise ValueError(f"a ban has more than {LONGEST_VALUE} characters")
    origin, reason = row["origin"], row["reason"]
    if is_origin(origin) is None or not isinstance(reason, str):
        raise ValueError(f"{json.dumps(row)} is not a ban")
    made, until = _seconds(row["since"]), inf if row["until"] is None else _seconds(row["until"])
    left = min(until - now.wall, max(until - written, 0.0))
    age = max(now.wall - made, 0.0)
    return Ban(read_key(row["network"]), origin, clean_reason(reason), now.monotonic - age, now.monotonic + left)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def write_bans(path: str, bans: Iterable[Ban], now: Moment) -> None:
    """
    Replace the file in one step; OSError if that is not possible, and then the previous one stays.

    Another thread gets its turn between two bans.
    """
    new = f"{path}.new"
    with suppress(FileNotFoundError):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            for piece in _written(bans, now):
                file.write(piece.encode())
            file.flush()
            os.fsync(descriptor)
        os.replace(new, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(new)
        raise
    _sync_folder(path)


def _sync_folder(path: str) -> None:
    """Write the file's new name to the disk, too."""
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _written(bans: Iterable[Ban], now: Moment) -> Iterator[str]:
    yield f'{{"version": {_VERSION}, "written": {json.dumps(_iso(now.wall))}, "bans": ['
    comma = "\n"
    for ban in bans:
        if ban.end > now.monotonic:
            yield comma + json.dumps(_row(ban, now), ensure_ascii=False)
            comma = ",\n"
    yield "\n]}\n"


def _row(ban: Ban, now: Moment) -> dict[str, str | None]:
    return {
        "network": ban.place,
        "origin": ban.origin,
        "since": _iso(now.wall + ban.made - now.monotonic),
        "until": None if ban.end == inf else _iso(now.wall + ban.end - now.monotonic),
        "reason": ban.reason,
    }


def _iso(seconds: float) -> str:
    return f"{datetime.fromtimestamp(round(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


def keep_broken(path: str) -> str:
    """Rename a file that cannot be used, so that it is not written over; return its new path. OSError if not."""
    kept = f"{path}.broken"
    os.replace(path, kept)
    return kept
