"""Log lines: what the service says, as text or JSON, one event a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from io import TextIOWrapper
from typing import IO, Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

# All that ends a line somewhere, or moves the cursor of whoever reads it.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


def as_text(event: LogEvent, level: str) -> str:
    """Return an event as one line of text, whatever is in it: time, level, what happened."""
    words = "session " + event["line"] if "line" in event else _CONTROLS.sub(_escape, _words(event))
    return f"{_time(event)} {level} {words}"


def _escape(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()


def as_json(event: LogEvent, level: str) -> str:
    """Return an event as a JSON object: time, level, event and its fields; without fields, what happened as message."""
    fields: dict[str, Any] = {"time": _time(event), "level": level, "event": event.get("event", "message")}
    if "line" not in event:
        fields["message"] = _words(event)
    # Ours come first: events of Twisted's old log have a time and a message of their own.
    fields |= {
        key: value
        for key, value in event.items()
        if key not in fields and key != "line" and not key.startswith("log_") and _is_plain(value)
    }
    return json.dumps(fields)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _time(event: LogEvent) -> str:
    seconds, rest = divmod(event["log_time"], 1)
    return f"{_second(seconds)}.{int(rest * 1000):03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _words(event: LogEvent) -> str:
    words = formatEvent(event)
    failure = event.get("log_failure")
    return words if failure is None else f"{words}\n{failure.getTraceback().rstrip()}"


FORMATS: dict[str, Callable[[LogEvent, str], str]] = {"text": as_text, "json": as_json}


@implementer(ILogObserver)
class LineLog:
    """
    Writes events of a level and above to a stream, each as it comes.

    A stream that cannot be written to (a full disk, a reader that has gone) loses lines, and nothing else.
    """

    def __init__(self, stream: IO[str], format: str = "text", level: str = "info") -> None:
        if isinstance(stream, TextIOWrapper):
            # A name may have letters that the locale's encoding lacks.
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream
        self._format = FORMATS[format]
        self._level = LogLevel.levelWithName(level)

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        level = event.get("log_level", LogLevel.info)
        if level < self._level:
            return
        try:
            self._stream.write(self._format(event, level.name) + "\n")
            self._stream.flush()
        except OSError:
            return
