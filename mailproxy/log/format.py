"""A log event as a line: text or JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from twisted.logger import LogEvent, formatEvent

from mailproxy.config.words import printable

# The severities of syslog (RFC 5424, 6.2.1), which journald uses as well.
PRIORITIES = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}

_PLAIN = (str, int, float)  # faster than a union
_OURS = frozenset({"time", "level", "event", "line", "message"})


def as_text(event: LogEvent, level: str) -> str:
    """Return any event as one line of text: time, level, message."""
    if "line" in event:  # as `words_of` has it, without another call: these are nearly all events
        return f"{time_of(event)} {level} {event['event']} {event['line']}"
    return f"{time_of(event)} {level} {words_of(event)}"


def as_file_text(event: LogEvent, level: str) -> str:
    """Return an event as one line of text for a file, which several processes may write: with the process's id."""
    return f"{time_of(event)} {level} mailproxy[{os.getpid()}]: {words_of(event)}"


def words_of(event: LogEvent) -> str:
    """Return the message of an event, as one line."""
    # A line has been escaped already, and is in nearly all events.
    return f"{event['event']} {event['line']}" if "line" in event else printable(_words(event))


def as_json(event: LogEvent, level: str, process: int | None = None) -> str:
    """Return an event as a JSON object: time, level, event, its fields, and the message if it has one."""
    fields: dict[str, Any] = {"time": time_of(event), "level": level, "event": name_of(event)}
    if process is not None:
        fields["pid"] = process
    if "line" not in event:
        fields["message"] = _words(event)
    # Our fields come first: events of Twisted's old log have their own time and message.
    return json.dumps(fields | fields_of(event))


def as_file_json(event: LogEvent, level: str) -> str:
    """Return an event as a JSON object for a file, which several processes may write: with the process's id."""
    return as_json(event, level, os.getpid())


def name_of(event: LogEvent) -> str:
    """Return the name of an event's kind."""
    name: str = event.get("event", "message")
    return name


def fields_of(event: LogEvent) -> dict[str, str | int | float]:
    """Return the fields of an event by name, except time, level, kind and message."""
    return {
        key: value
        for key, value in event.items()
        if isinstance(value, _PLAIN) and key not in _OURS and not key.startswith("log_")
    }


def time_of(event: LogEvent) -> str:
    """Return the time of an event, in UTC (RFC 3339)."""
    global _second
    time = event["log_time"]
    begin, text = _second
    if not begin <= time < begin + 1.0:
        begin = float(int(time))
        text = datetime.fromtimestamp(begin, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second = begin, text
    return text + _MILLISECONDS[int((time - begin) * 1000)]


# The second of the last event, and its text: most events are of the same one. Several threads log, so both are replaced
# at once.
_second = (0.0, "1970-01-01T00:00:00")

# To format the number costs 3 % of a session's line.
_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))


def _words(event: LogEvent) -> str:
    words = formatEvent(event)
    failure = event.get("log_failure")
    return words if failure is None else f"{words}\n{failure.getTraceback().rstrip()}"


FORMATS: dict[str, Callable[[LogEvent, str], str]] = {"text": as_text, "json": as_json}
FILE_FORMATS: dict[str, Callable[[LogEvent, str], str]] = {"text": as_file_text, "json": as_file_json}
