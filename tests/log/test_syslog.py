"""Events as syslog messages."""

from __future__ import annotations

import json
import os
import re
import socket
from typing import Any, get_args

import pytest
from twisted.logger import LogEvent, LogLevel

from mailproxy.config.model import LogFacility
from mailproxy.log.format import as_json
from mailproxy.log.syslog import FACILITIES, as_syslog, host_name

MOMENT = 1_795_147_929.153


def event(format: str = "what {who} did", **fields: Any) -> LogEvent:
    return {"log_format": format, "log_time": MOMENT, "log_level": LogLevel.info, **fields}


def message(event: LogEvent, level: str = "info", *, facility: str = "mail", format: str = "text") -> str:
    return as_syslog(event, level, facility=facility, format=format, host="mx1").decode()


def data(event: LogEvent) -> str:
    """The structured data of a message."""
    found = re.search(r'(-|\[.*[^\\]"\]) ', message(event).split(" ", 6)[6])
    assert found
    return found[1]


def test_session_has_its_fields_and_its_line() -> None:
    session = event("session {line}", event="session", line="id=1 sni=a.example", id="1", sni="a.example", bytes_in=4)
    assert message(session) == (
        f"<22>1 2026-11-20T04:12:09.153Z mx1 mailproxy {os.getpid()} session "
        '[mailproxy@32473 id="1" sni="a.example" bytes_in="4"] session id=1 sni=a.example'
    )


def test_event_without_fields_has_no_structured_data() -> None:
    assert message(event("ready", event="ready")).endswith(" ready - ready")


def test_json_is_the_message() -> None:
    one = event(event="server", who="d1")
    head, _, words = message(one, format="json").partition(" - ")
    assert head.endswith(" server")
    assert words == as_json(one, "info")
    assert json.loads(words)["who"] == "d1"


@pytest.mark.parametrize(
    ("level", "facility", "priority"),
    [("debug", "mail", 23), ("warn", "mail", 20), ("error", "daemon", 27), ("critical", "local7", 186)],
)
def test_priority_is_facility_and_severity(level: str, facility: str, priority: int) -> None:
    assert message(event("ready"), level, facility=facility).startswith(f"<{priority}>1 ")


def test_every_facility_has_a_code() -> None:
    assert FACILITIES.keys() == set(get_args(LogFacility))


def test_value_ends_where_its_quote_does() -> None:
    assert data(event(who='a"b\\c]d')) == r'[mailproxy@32473 who="a\"b\\c\]d"]'


@pytest.mark.parametrize("sign", ["\n", "\r", "\0", "\x1b", "\u2028", "\u202e"])
def test_message_is_one_line_whatever_is_in_it(sign: str) -> None:
    assert message(event(who=f"some{sign}body")).isprintable()


def test_names_are_of_the_signs_that_names_have() -> None:
    assert data(event("x", **{'a]"= b' + 40 * "c": 1})) == f'[mailproxy@32473 a____b{26 * "c"}="1"]'


def test_letters_that_no_encoding_has_are_escaped() -> None:
    assert "name-\\udcff" in message(event(who="name-\udcff"))


@pytest.mark.parametrize(("name", "shown"), [("mx1", "mx1"), ("bücher", "bcher"), ("", "-"), (300 * "x", 255 * "x")])
def test_host_name_is_printable(monkeypatch: pytest.MonkeyPatch, name: str, shown: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert host_name() == shown
