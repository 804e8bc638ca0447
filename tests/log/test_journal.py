"""Events as entries of the journal."""

from __future__ import annotations

import json
import struct
from typing import Any

from twisted.logger import LogEvent, LogLevel

from mailproxy.log.journal import as_entry

MOMENT = 1_795_147_929.153


def event(format: str = "what {who} did", **fields: Any) -> LogEvent:
    return {"log_format": format, "log_time": MOMENT, "log_level": LogLevel.info, **fields}


def fields(event: LogEvent, level: str = "info", format: str = "text") -> dict[str, str]:
    """Take an entry apart, as journald does."""
    data = as_entry(event, level, facility="mail", format=format)
    found = {}
    while data:
        head, _, rest = data.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            (size,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            assert rest.startswith(b"\n")
            rest = rest[1:]
        found[name.decode()] = value.decode()
        data = rest
    return found


def test_entry_has_the_words_and_each_field() -> None:
    session = event("session {line}", event="session", line="id=1 sni=a.example", id="1", sni="a.example", bytes_in=4)
    assert fields(session) == {
        "MESSAGE": "session id=1 sni=a.example",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "mailproxy",
        "SYSLOG_FACILITY": "2",
        "MAILPROXY_EVENT": "session",
        "MAILPROXY_ID": "1",
        "MAILPROXY_SNI": "a.example",
        "MAILPROXY_BYTES_IN": "4",
    }


def test_json_is_the_message() -> None:
    reported = fields(event(event="server", who="d1"), "warn", "json")
    assert json.loads(reported["MESSAGE"])["who"] == "d1"
    assert (reported["PRIORITY"], reported["MAILPROXY_WHO"]) == ("4", "d1")


def test_value_with_a_line_end_is_no_other_field() -> None:
    reported = fields(event(who="x\nPRIORITY=0\n"))
    assert reported["MAILPROXY_WHO"] == "x\nPRIORITY=0\n"
    assert reported["PRIORITY"] == "6"
    assert reported["MESSAGE"] == r"what x\nPRIORITY=0\n did"


def test_name_is_one_that_journald_takes() -> None:
    assert "MAILPROXY_A__B__" + 48 * "C" in fields(event("x", **{"a=\nb\u00e4-" + 90 * "c": 1}))
