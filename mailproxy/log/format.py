"""A log event as a line: text or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from twisted.logger import LogEvent, formatEvent

# All characters that end a line somewhere, or move the cursor of a terminal.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


def as_text(event: LogEvent, level: str) -> str:
    """Return any event as one line of text: time, level, message."""
    words = "session " + event["line"] if "line" in event else _CONTROLS.sub(_escape, _words(event))
    return f"{_time(event)} {level} {words}"


def _escape(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()


def as_json(event: LogEvent, level: str) -> str:
    """Return an event as a JSON object: time, level, event and its fields; without fields, the message."""
    fields: dict[str, Any] = {"time": _time(event), "level": level, "event": event.get("event", "message")}
    if "line" not in event:
        fields["message"] = _words(event)
    # Our fields come first: events of Twisted's old log have their own time and message.
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
