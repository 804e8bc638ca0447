"""A log event as a syslog message (RFC 5424)."""

from __future__ import annotations

import os
import re
import socket
from functools import lru_cache

from twisted.logger import LogEvent

from mailproxy.config.words import printable
from mailproxy.log.format import PRIORITIES, as_json, fields_of, name_of, time_of, words_of

IDENTIFIER = "mailproxy"

FACILITIES: dict[str, int] = {"user": 1, "mail": 2, "daemon": 3} | {f"local{n}": 16 + n for n in range(8)}
"""The codes of facilities (RFC 5424, 6.2.1)."""

SD_ID = "mailproxy@32473"
"""The SD-ID of our structured data. 32473 is the number for examples (RFC 5612): mailproxy has no own number."""

_NO_NAME = re.compile(r"[^!#-<>-\\^-~]")
_IS_PLAIN = re.compile(r"[ !#-[^-~]*").fullmatch
_SPECIAL = re.compile(r'["\\\]]')


def host_name() -> str:
    """Return the machine's name for the HOSTNAME field; "-" if it has none."""
    return re.sub("[^!-~]", "", socket.gethostname())[:255] or "-"


def as_syslog(event: LogEvent, level: str, *, facility: str, format: str, host: str) -> bytes:
    """
    Return an event as a message.

    With the format "text" the fields are structured data, and the message has the words; with "json" the message has
    all fields. The RFC requires a byte order mark before a message in UTF-8; we omit it, because servers print it.
    """
    priority = FACILITIES[facility] * 8 + PRIORITIES[level]
    is_text = format == "text"
    name = _name(name_of(event))
    data = _structured(event) if is_text else "-"
    words = words_of(event) if is_text else as_json(event, level)
    message = f"<{priority}>1 {time_of(event)} {host} {IDENTIFIER} {os.getpid()} {name} {data} {words}"
    return message.encode("utf-8", "backslashreplace")


def _structured(event: LogEvent) -> str:
    """Return the fields of an event as one SD-ELEMENT; "-" if there are none."""
    shown = "".join(f' {_name(key)}="{_value(value)}"' for key, value in fields_of(event).items())
    return f"[{SD_ID}{shown}]" if shown else "-"


@lru_cache(maxsize=1000)
def _name(word: str) -> str:
    """Return a word as an SD-NAME: at most 32 characters, without those that end a name."""
    return _NO_NAME.sub("_", word)[:32]


def _value(value: str | float) -> str:
    if not isinstance(value, str) or _IS_PLAIN(value):
        return str(value)
    return _SPECIAL.sub(r"\\\g<0>", printable(value))
