"""Log lines, as text and JSON."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from twisted.logger import LogEvent, Logger, LogLevel, capturedLogs
from twisted.python import log as legacy

from mailproxy.log.format import as_file_json, as_file_text, as_json, as_text, time_of

MOMENT = 1_795_147_929.153


def event(format: str = "what {who} did", **fields: Any) -> LogEvent:
    return {"log_format": format, "log_time": MOMENT, "log_level": LogLevel.info, "who": "somebody", **fields}


def session(**fields: Any) -> LogEvent:
    return event("session {line}", event="session", line="id=1 client=192.0.2.1:25", id="1", **fields)


def failing(message: str) -> LogEvent:
    """Make the event of a bug."""
    events: list[LogEvent] = []
    log = Logger(observer=events.append)  # type: ignore[arg-type]  # a list will do
    try:
        raise ZeroDivisionError(message)
    except ZeroDivisionError:
        log.failure("bug in {what}", what="a test")
    return events[0] | {"log_time": MOMENT}


@pytest.mark.parametrize(
    ("moments", "texts"),
    [
        ([29.153, 29.999, 30.0], ["29.153", "29.999", "30.000"]),
        ([30.0, 29.999], ["30.000", "29.999"]),
        ([29.0019999, 29.0], ["29.001", "29.000"]),
    ],
)
def test_time_is_cut_to_milliseconds_also_when_the_second_changes(moments: list[float], texts: list[str]) -> None:
    minute = 1_795_147_920
    shown = [time_of(event(log_time=minute + moment)) for moment in moments]
    assert shown == [f"2026-11-20T04:12:{text}Z" for text in texts]


def test_text_is_time_level_and_words() -> None:
    assert as_text(event(), "info") == "2026-11-20T04:12:09.153Z info what somebody did"


def test_text_of_a_session_is_its_line() -> None:
    assert as_text(session(), "info").endswith("Z info session id=1 client=192.0.2.1:25")


def test_rejected_connection_is_no_session() -> None:
    rejected = event("rejected {line}", event="rejected", line="frontend=a client=192.0.2.1:25")
    assert as_text(rejected, "info").endswith("Z info rejected frontend=a client=192.0.2.1:25")


@pytest.mark.parametrize(
    "sign", ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b", "\0", "\x9b", "\u202e"]
)
def test_text_is_one_line_whatever_is_in_it(sign: str) -> None:
    line = as_text(event(who=f"some{sign}body"), "info")
    assert line.isprintable()
    assert len(line.splitlines()) == 1


def test_traceback_stands_in_the_same_line() -> None:
    line = as_text(failing("a\nbug"), "critical")
    assert "bug in a test" in line
    assert "ZeroDivisionError" in line
    assert "\n" not in line


def test_json_is_an_object_with_the_fields() -> None:
    assert json.loads(as_json(session(bytes_in=4), "info")) == {
        "time": "2026-11-20T04:12:09.153Z",
        "level": "info",
        "event": "session",
        "id": "1",
        "bytes_in": 4,
        "who": "somebody",
    }


def test_line_for_a_file_names_the_process() -> None:
    assert as_file_text(event(), "warn") == (
        f"2026-11-20T04:12:09.153Z warn mailproxy[{os.getpid()}]: what somebody did"
    )
    assert json.loads(as_file_json(event(), "info"))["pid"] == os.getpid()


def test_json_of_other_events_has_a_message() -> None:
    assert json.loads(as_json(event(), "info"))["message"] == "what somebody did"


def test_json_is_one_line_of_ascii() -> None:
    line = as_json(event(who="bücher\n\u2028"), "info")
    assert line.isascii()
    assert line.isprintable()


def test_json_has_the_traceback_as_it_is() -> None:
    assert "\nbuiltins.ZeroDivisionError: a bug" in json.loads(as_json(failing("a bug"), "critical"))["message"]


def test_fields_of_an_event_do_not_take_the_place_of_ours() -> None:
    reported = json.loads(as_json(event(time=1.5, level=7, message="mine"), "info"))
    assert (reported["time"], reported["level"], reported["message"]) == (
        "2026-11-20T04:12:09.153Z",
        "info",
        "what somebody did",
    )


def test_event_of_twisted_s_old_log_has_our_time() -> None:
    with capturedLogs() as events:
        legacy.msg("an old friend")
    reported = json.loads(as_json(events[0], "info"))
    assert reported["message"] == "an old friend"
    assert reported["time"].endswith("Z")


def test_values_that_are_no_words_are_left_out() -> None:
    assert "thing" not in json.loads(as_json(event(thing=object()), "info"))
