"""The log of a configuration, with targets that change."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest
from attrs import evolve
from twisted.logger import LogEvent, LogLevel

from mailproxy.config import Config, Frontend, FrontendLog, Log
from mailproxy.config.target import STDOUT, Journal, LogFile, LogTarget, SyslogSocket
from mailproxy.log import ServiceLog
from mailproxy.log.service import complain_to_stderr

MOMENT = 1_795_147_929.153


def event(**fields: Any) -> LogEvent:
    return {"log_format": "what {who} did", "log_time": MOMENT, "log_level": LogLevel.info, "who": "one", **fields}


def configuration(target: LogTarget = STDOUT, *, frontends: dict[str, FrontendLog] | None = None, **log: Any) -> Config:
    made = [
        Frontend(name=name, bind=(), protocol="imap", tls="none", backend="b", log=its)
        for name, its in (frontends or {}).items()
    ]
    return Config(frontends=tuple(made), backends={}, log=Log(target=target, **log))


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[IO[str]]:
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        yield stream


@pytest.fixture
def out(stream: IO[str]) -> Path:
    return Path(stream.name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log"


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what a thread does."""
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def who(path: Path) -> list[str]:
    """The frontends of a file's lines."""
    return [line.replace(f" mailproxy[{os.getpid()}]:", "").split()[3] for line in path.read_text().splitlines()]


def test_lines_go_to_the_target(stream: IO[str], out: Path, file: Path) -> None:
    log = ServiceLog(stream, configuration(LogFile(str(file))))
    log(event())
    log.close()
    assert (who(out), who(file)) == ([], ["one"])


def test_end_of_the_reactor_is_left_out(stream: IO[str], out: Path) -> None:
    log = ServiceLog(stream, configuration())
    log(event(log_format="Main loop terminated."))
    log(event())
    log.close()
    assert who(out) == ["one"]


def test_lines_dropped_are_those_of_former_targets_as_well(stream: IO[str], file: Path, tmp_path: Path) -> None:
    log = ServiceLog(stream, configuration(LogFile(str(tmp_path / "none" / "log"))), closing_seconds=0.0)
    log(event())
    assert log.lines_dropped() == 0
    log.configure(configuration(LogFile(str(file))))
    until(lambda: log.lines_dropped() == 1, "no line is counted as dropped")

    def is_forgotten() -> bool:
        assert log.lines_dropped() == 1
        return not log._retired  # noqa: SLF001  # no line or number says so

    until(is_forgotten, "a writer that is over is kept")
    log.close()


def test_frontend_with_a_target_has_its_lines_there(stream: IO[str], out: Path, file: Path) -> None:
    own = FrontendLog(target=LogFile(str(file)), level="warn")
    log = ServiceLog(stream, configuration(frontends={"imaps": own, "pop3s": FrontendLog()}))
    log(event(who="all"))
    log(event(who="imaps", frontend="imaps", log_level=LogLevel.warn))
    log(event(who="too-little", frontend="imaps"))
    log(event(who="pop3s", frontend="pop3s"))
    log.close()
    assert (who(out), who(file)) == (["all", "pop3s"], ["imaps"])


def test_two_with_the_same_target_keep_their_order(stream: IO[str], out: Path) -> None:
    log = ServiceLog(stream, configuration(frontends={"imaps": FrontendLog(format="json")}))
    for number in range(100):
        log(event(number=number) if number % 2 else event(number=number, frontend="imaps"))
    log.close()
    lines = out.read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines[::2]] == list(range(0, 100, 2))
    assert all(line.endswith("what one did") for line in lines[1::2])


def test_target_changes_in_place(stream: IO[str], out: Path, file: Path) -> None:
    log = ServiceLog(stream, configuration())
    log(event(who="before"))
    log.configure(configuration(LogFile(str(file)), format="json", level="warn"))
    log(event(who="too-little"))
    log(event(who="after", log_level=LogLevel.error))
    log.close()
    until(lambda: who(out) == ["before"], "the line before")
    assert json.loads(file.read_text())["who"] == "after"


def test_file_is_opened_again_by_its_name(stream: IO[str], file: Path) -> None:
    log = ServiceLog(stream, configuration(LogFile(str(file))))
    old = file.with_suffix(".1")
    log(event(who="before"))
    until(file.exists, "a file")
    file.rename(old)
    assert log.reopen()
    until(file.exists, "a new file, before there is a line")
    log(event(who="after"))
    log.close()
    assert (who(old), who(file)) == (["before"], ["after"])


def test_reload_that_changes_nothing_opens_the_file_again(stream: IO[str], file: Path) -> None:
    settings = configuration(LogFile(str(file)))
    log = ServiceLog(stream, settings)
    log(event(who="before"))
    until(file.exists, "a file")
    file.unlink()
    log.configure(settings)
    until(file.exists, "a new file")
    log.close()


def test_without_a_file_nothing_is_opened(stream: IO[str]) -> None:
    assert not ServiceLog(stream, configuration()).reopen()


def test_lines_that_the_former_target_did_not_take_are_counted_at_the_new_one(
    stream: IO[str], out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = ServiceLog(stream, configuration(SyslogSocket(str(tmp_path / "nobody"))))
    for _ in range(3):
        log(event())
    log.configure(configuration(format="json"))
    until(out.read_text, "a line")
    reported = json.loads(out.read_text())
    assert (reported["event"], reported["lines"], reported["reason"]) == (
        "dropped",
        3,
        f"{tmp_path}/nobody: No such file or directory",
    )
    assert capfd.readouterr().err == (
        f"mailproxy: log: {tmp_path}/nobody: No such file or directory; lines wait, the next try is in a second\n"
    )


def test_target_that_stalls_holds_up_no_other(stream: IO[str], out: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        log = ServiceLog(stream, configuration(frontends={"imaps": FrontendLog(target=Journal(path))}))
        for _ in range(1000):
            log(event(frontend="imaps"))
        log(event(who="other"))
        until(lambda: who(out) == ["other"], "the line")
        for _ in range(1000):
            assert b"MAILPROXY_FRONTEND=imaps\n" in server.recv(1000)
        log.close()


def test_lines_are_rendered_for_the_target(stream: IO[str], tmp_path: Path) -> None:
    path = str(tmp_path / "syslog")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(10.0)
        log = ServiceLog(stream, configuration(SyslogSocket(path), facility="local0"))
        log(event())
        assert server.recv(1000).startswith(b"<134>1 2026-11-20T04:12:09.153Z ")
        log.configure(evolve(configuration(SyslogSocket(path), facility="local1")))
        log(event())
        assert server.recv(1000).startswith(b"<142>1 ")
        log.close()


def test_threads_begin_where_there_are_lines(stream: IO[str], file: Path) -> None:
    """A process may fork before."""
    before = threading.active_count()
    log = ServiceLog(stream, configuration(LogFile(str(file))))
    log.reopen()
    log.configure(configuration())
    assert threading.active_count() == before


def test_blocked_standard_error_is_not_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    saved = os.dup(2)
    try:
        os.dup2(writer, 2)
        os.set_blocking(2, False)
        with suppress(BlockingIOError):
            while True:
                os.write(2, 4096 * b"x")
        os.set_blocking(2, True)
        complaint = threading.Thread(target=complain_to_stderr, args=("a problem",), daemon=True)
        complaint.start()
        complaint.join(20.0)
        assert not complaint.is_alive()
    finally:
        os.dup2(saved, 2)
        for each in (saved, reader, writer):
            os.close(each)
