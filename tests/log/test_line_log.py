"""Events to one stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fcntl import F_SETPIPE_SZ, fcntl
from pathlib import Path
from typing import IO, Any

import pytest
from twisted.logger import LogEvent, LogLevel

from mailproxy.log import LineLog
from mailproxy.log.format import as_text
from mailproxy.log.writer import QUEUE_BYTES

MOMENT = 1_795_147_929.153


def event(**fields: Any) -> LogEvent:
    return {"log_format": "what {who} did", "log_time": MOMENT, "log_level": LogLevel.info, "who": "somebody", **fields}


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[IO[str]]:
    with (tmp_path / "log").open("w", encoding="utf-8") as stream:
        yield stream


def lines(stream: IO[str]) -> list[str]:
    return Path(stream.name).read_text(encoding="utf-8").splitlines()


def test_each_event_is_a_line(stream: IO[str]) -> None:
    log = LineLog(stream)
    log(event())
    log(event(who="another"))
    log.close()
    assert [line.split(" ", 2)[2] for line in lines(stream)] == ["what somebody did", "what another did"]


def test_what_was_printed_before_stands_before(stream: IO[str]) -> None:
    stream.write("printed\n")
    log = LineLog(stream)
    log(event())
    log.close()
    assert lines(stream)[0] == "printed"


def test_text_that_is_no_event_keeps_its_place(stream: IO[str]) -> None:
    log = LineLog(stream)
    log(event())
    log.say("two\nlines")
    log(event())
    log.close()
    assert lines(stream)[1:3] == ["two", "lines"]


@pytest.mark.parametrize(("level", "count"), [("debug", 5), ("info", 4), ("warn", 3), ("error", 2)])
def test_level_is_where_the_log_begins(stream: IO[str], level: str, count: int) -> None:
    log = LineLog(stream, level=level)
    for each in LogLevel.iterconstants():
        log(event(log_level=each))
    log.close()
    assert len(lines(stream)) == count


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_stream_without_some_letters_loses_no_line(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "log"
    with path.open("w", encoding=encoding) as stream:
        log = LineLog(stream)
        log(event(who="/etc/ssl/☃\udcff.pem"))
        log.close()
    assert path.read_text(encoding=encoding).startswith("2026-11-20T04:12:09.153Z info what /etc/ssl/")


def test_after_the_end_each_event_is_written_before_the_next_step(stream: IO[str]) -> None:
    """The process may end by a signal any time then."""
    log = LineLog(stream)
    log.close()
    log(event())
    assert lines(stream) == [as_text(event(), "info")]


@pytest.mark.parametrize(("dropped", "words"), [(1, "1 line was dropped"), (3, "3 lines were dropped")])
@pytest.mark.parametrize("format", ["text", "json"])
def test_gap_is_reported_as_a_warning(format: str, dropped: int, words: str) -> None:
    reader, descriptor = os.pipe()
    fcntl(descriptor, F_SETPIPE_SZ, 4096)
    with os.fdopen(reader, "rb") as out, os.fdopen(descriptor, "w") as stream:
        log = LineLog(stream, format, "error")
        log.say(8192 * "x")  # more than the pipe holds
        log.say(QUEUE_BYTES * "y")
        for _ in range(dropped - 1):
            log.say("")
        out.readline()
        line = out.readline().decode()
    if format == "json":
        reported = json.loads(line)
        assert (reported["level"], reported["event"], reported["lines"]) == ("warn", "dropped", dropped)
        line = reported["message"]
    else:
        assert " warn log: " in line
    assert f"log: {words}: standard output was blocked" in line


@pytest.mark.parametrize("format", ["text", "json"])
def test_lines_to_journald_begin_with_their_priority(
    stream: IO[str], monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    status = os.fstat(stream.fileno())
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    log = LineLog(stream, format, "debug")
    for each in LogLevel.iterconstants():
        log(event(log_level=each))
    log.close()
    assert [line[:3] for line in lines(stream)] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    monkeypatch.delenv("JOURNAL_STREAM")
    plain = LineLog(stream, format)
    plain(event())
    plain.close()
    assert lines(stream)[1] == "<6>" + lines(stream)[-1]


def test_lines_to_another_stream_than_journald_s_begin_with_no_priority(
    stream: IO[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a service's output is redirected within its unit."""
    status = os.fstat(stream.fileno())
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
    log = LineLog(stream)
    log(event())
    log.close()
    assert lines(stream)[0].startswith("2026-")


def test_process_without_standard_output_has_no_log() -> None:
    code = "import sys; from mailproxy.log import LineLog; log = LineLog(sys.stdout); log.say('lost'); log.close()"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, code], stderr=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_lines_are_not_lost_at_the_process_s_end() -> None:
    code = (
        "import sys; from mailproxy.log import LineLog; log = LineLog(sys.stdout)\nfor n in range(500): log.say(str(n))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == [b"%d" % number for number in range(500)]
