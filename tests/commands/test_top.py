"""``mailproxy top`` on the command line, and in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mailproxy.commands import top
from mailproxy.top.sample import INFO
from tests.top.rows import event, info
from tests.top.service import Service
from tests.top.vt100 import Display

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
SIZE = (24, 80)


def run(*words: str) -> int:
    parser = ArgumentParser()
    top.configure(parser)
    return top.run(parser.parse_args(list(words)))


def test_snapshot_has_all_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Service(tmp_path / "s") as service:
        assert run("--socket", service.path, "--once", "--interval", "200ms") == 0
        asked = {request["command"] for request in service.asked}
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].startswith("mailproxy running")
    assert {"OVERVIEW", "FRONTENDS", "SERVERS", "CLIENTS", "CERTIFICATES"} <= set(lines)
    assert "new 0/s" in lines[1]
    assert "no source is counted here" in lines
    assert "\x1b" not in out
    assert "show sessions" not in asked


def test_socket_is_that_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(f'admin.socket = "{tmp_path}/s"\n')
    with Service(tmp_path / "s"):
        assert run("-c", str(tmp_path / "a.toml"), "--once", "--interval", "200ms") == 0
    assert run("-c", str(tmp_path / "a.toml"), "--once") == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}/s: does not exist")


def test_terminal_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--socket", "/nowhere") == 2
    assert capsys.readouterr().err == "mailproxy top needs a terminal; --once prints one snapshot without it\n"


@pytest.mark.parametrize("interval", ["1", "100ms", "1m", "soon"])
def test_interval_is_a_duration_within_limits(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--interval", interval)
    assert "--interval" in capsys.readouterr().err


class Screen:
    """The command in a terminal of its own."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.written = b""
        self._display = Display(*SIZE)
        self._descriptor = descriptor

    def until(self, *words: str) -> None:
        """Read until the display has all these words."""
        deadline = time.monotonic() + SECONDS
        while not all(one in self._display.text for one in words):
            assert time.monotonic() < deadline, self._display.text
            assert self._read(), self._display.text

    def end(self) -> int:
        """Read the rest, and return the exit status."""
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], SECONDS)
        assert ready, self._display.text
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # Linux: nobody has the terminal any more
            data = b""
        self.written += data
        self._display.feed(data.decode(errors="replace"))
        return bool(data)

    @property
    def is_cooked(self) -> bool:
        """Whether the terminal is as shells need it."""
        return bool(termios.tcgetattr(self._descriptor)[3] & termios.ECHO)

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def resize(self, lines: int, columns: int) -> None:
        self._display.resize(lines, columns)
        _set_size(self._descriptor, lines, columns)


def _set_size(descriptor: int, lines: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


@contextmanager
def shown(path: str, term: str = "vt100", locale: str = "C.UTF-8") -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    _set_size(theirs, *SIZE)
    process = subprocess.Popen(
        [sys.executable, "-m", "mailproxy", "top", "--socket", path, "--interval", "200ms"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=ROOT,
        env={**os.environ, "TERM": term, "LC_ALL": locale},
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield Screen(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_keys_choose_what_is_shown(tmp_path: Path) -> None:
    with Service(tmp_path / "s", events=[event("dovecot/d1 is \x1b[2JUP")]) as service, shown(service.path) as screen:
        screen.until("mailproxy running", "Nothing is wrong", "dovecot/d1 is \\x1b[2JUP")
        screen.type("3")
        screen.until("d1", "d2", "greeted")
        screen.type("/d2\r")
        screen.until("filter: d2")
        screen.type("?")
        screen.until("any key")
        screen.type("xq")
        assert screen.end() == 0


def test_terminal_of_another_size_is_filled(tmp_path: Path) -> None:
    with Service(tmp_path / "s") as service, shown(service.path) as screen:
        screen.until("1 Overview  2 Frontends", "pid 7", "q quit")
        screen.resize(12, 50)
        screen.until("1 Overview  2  3  4", "pid 7", "q quit")
        screen.resize(30, 120)
        screen.until("1 Overview  2 Frontends", "pid 7", "q quit")
        screen.type("q")
        assert screen.end() == 0


def test_restart_of_the_service_is_shown(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with Service(tmp_path / "s") as service:
            screen = stack.enter_context(shown(service.path))
            screen.until("pid 7")
        screen.until("NOT CONNECTED, trying again")
        with Service(tmp_path / "s") as service:
            service.rows[INFO] = [info(pid=4711)]
            screen.until("pid 4711")
            screen.type("q")
            assert screen.end() == 0


def test_old_terminal_gets_ascii_without_colours(tmp_path: Path) -> None:
    with Service(tmp_path / "s") as service, shown(service.path, locale="C") as screen:
        screen.until("mailproxy running  0.1.0", "q quit")
        screen.type("2q")
        assert screen.end() == 0
        assert screen.written.isascii()
        assert not re.search(rb"\x1b\[[0-9;]*3[0-9]m", screen.written)


def test_interrupt_restores_the_terminal(tmp_path: Path) -> None:
    with Service(tmp_path / "s") as service, shown(service.path) as screen:
        screen.until("q quit")
        assert not screen.is_cooked
        screen.type("\x03")
        assert screen.end() == 130
        assert screen.is_cooked


def test_terminal_that_is_not_known_is_reported(tmp_path: Path) -> None:
    with Service(tmp_path / "s") as service, shown(service.path, "no-such-terminal") as screen:
        assert screen.end() == 1
        assert b"'no-such-terminal' (TERM) is not known" in screen.written


def test_service_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with shown(str(tmp_path / "s")) as screen:
        assert screen.end() == 1
        assert b"does not exist" in screen.written
