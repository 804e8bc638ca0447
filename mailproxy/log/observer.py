"""The log's observer: from events to lines on standard output."""

from __future__ import annotations

import atexit
import os
import time
from contextlib import suppress
from typing import IO

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from mailproxy.log.format import FORMATS
from mailproxy.log.writer import LineWriter

# At the end, the time for a blocked reader to take the waiting lines.
CLOSE_SECONDS = 1.0

# journald removes this from the beginning of a line: syslog's priority (sd-daemon(3)).
_PRIORITIES = {"debug": "<7>", "info": "<6>", "warn": "<4>", "error": "<3>", "critical": "<2>"}


@implementer(ILogObserver)
class LineLog:
    """
    Writes events of a level and above to a stream, as lines, and never waits for it (`LineWriter`).

    If journald reads the stream, each line begins with its priority. Without a stream (Python has none if the
    descriptor was closed from the start) lines are dropped.
    """

    def __init__(self, stream: IO[str] | None, format: str = "text", level: str = "info") -> None:
        self._stream = open(os.devnull, "w") if stream is None else stream  # noqa: SIM115  # for as long as we live
        with suppress(OSError):
            self._stream.flush()
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self.configure(format, level)
        descriptor = self._stream.fileno()
        self._has_priorities = _is_journal(descriptor)
        self._writer = LineWriter(descriptor, self._dropped)
        self._close_before: float | None = None
        atexit.register(self.close)

    def configure(self, format: str, level: str) -> None:
        """Use this format and level from now on."""
        self._format = FORMATS[format]
        self._level = LogLevel.levelWithName(level)

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        level = event.get("log_level", LogLevel.info)
        if level < self._level:
            return
        self._writer.put(self._line(event, level.name))
        if self._close_before is not None:
            self._drain(self._close_before)

    def say(self, text: str) -> None:
        """Write a text that is not an event, in order with the events; it may have several lines."""
        self._writer.put(self._encoded(f"{text}\n"))

    def close(self) -> None:
        """
        Wait at most `CLOSE_SECONDS` until all lines are written; from now on do so after each event.

        Call it when the process may end soon, perhaps by a signal.
        """
        if self._close_before is None:
            self._close_before = time.monotonic() + CLOSE_SECONDS
        self._drain(self._close_before)

    def _drain(self, before: float) -> None:
        self._writer.drain(max(before - time.monotonic(), 0.0))

    def _line(self, event: LogEvent, level: str) -> bytes:
        priority = _PRIORITIES[level] if self._has_priorities else ""
        return self._encoded(f"{priority}{self._format(event, level)}\n")

    def _encoded(self, text: str) -> bytes:
        # A name may have letters that the locale's encoding does not have.
        return text.encode(self._encoding, "backslashreplace")

    def _dropped(self, count: int) -> bytes:
        lines = "line was" if count == 1 else "lines were"
        event = {
            "log_format": f"log: {{lines}} {lines} dropped: standard output was blocked",
            "log_time": time.time(),
            "event": "dropped",
            "lines": count,
        }
        return self._line(event, "warn")


def _is_journal(descriptor: int) -> bool:
    """Tell whether journald reads a descriptor, by systemd's variable for the stream (systemd.exec(5))."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
