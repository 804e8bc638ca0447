"""A log event as an entry of the journal, in journald's native protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from struct import pack

from twisted.logger import LogEvent

from mailproxy.log.format import PRIORITIES, as_json, fields_of, name_of, words_of
from mailproxy.log.syslog import FACILITIES, IDENTIFIER

PREFIX = "MAILPROXY_"
"""The prefix of our own fields: MAILPROXY_SNI has the sni of the session line."""

LONGEST_NAME = 64

_NO_NAME = re.compile("[^A-Z0-9_]")


def as_entry(event: LogEvent, level: str, *, facility: str, format: str) -> bytes:
    """Return an event as an entry: the message in this format, and each field of the event as a field of the entry."""
    return b"".join(_field(name, value) for name, value in _fields(event, level, facility, format))


def _fields(event: LogEvent, level: str, facility: str, format: str) -> Iterator[tuple[str, object]]:
    yield "MESSAGE", words_of(event) if format == "text" else as_json(event, level)
    yield "PRIORITY", PRIORITIES[level]
    yield "SYSLOG_IDENTIFIER", IDENTIFIER
    yield "SYSLOG_FACILITY", FACILITIES[facility]
    yield f"{PREFIX}EVENT", name_of(event)
    for key, value in fields_of(event).items():
        yield _name(key), value


@lru_cache(maxsize=1000)
def _name(key: str) -> str:
    return _NO_NAME.sub("_", f"{PREFIX}{key.upper()}")[:LONGEST_NAME]


def _field(name: str, value: object) -> bytes:
    """Encode a field; the length precedes a value that contains a line end."""
    text = str(value)
    if "\n" not in text:
        return f"{name}={text}\n".encode("utf-8", "backslashreplace")
    data = text.encode("utf-8", "backslashreplace")
    return b"%b\n%b%b\n" % (name.encode("ascii"), pack("<Q", len(data)), data)
