"""``mailproxy run``, in a process of its own: it installs a reactor."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailproxy.commands import run

FILE = """
[log]
format = "json"

[frontend.front]
bind = ["{folder}/front.sock"]
protocol = "imap"
tls = "none"
backend = "dovecot"

[backend.dovecot.server.d1]
address = "{folder}/server.sock"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mailproxy.toml"
    path.write_text(FILE.format(folder=tmp_path))
    return path


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Restore the default of two signals that a shell ignores for background jobs, for started processes."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def start(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mailproxy", "run", "-c", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_default_is_the_file_of_the_system() -> None:
    parser = ArgumentParser()
    run.configure(parser)
    assert parser.parse_args([]).config == "/etc/mailproxy/mailproxy.toml"


def test_mistake_in_the_file_is_status_1_and_a_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace('"imap"', '"imaps"'))
    parser = ArgumentParser()
    run.configure(parser)
    assert run.run(parser.parse_args(["-c", str(file)])) == 1
    reported = capsys.readouterr()
    assert reported.out == ""
    assert reported.err.startswith(f'{file}: frontend.front.protocol: is "imaps"')


def test_socket_that_cannot_be_is_status_1_and_a_line(file: Path) -> None:
    (file.parent / "front.sock").write_text("something else")
    with start(file) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert err == f"frontend.front.bind: cannot listen on {file.parent}/front.sock: Address already in use\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_run_serves_until_a_signal_and_reports_its_counts(file: Path, number: signal.Signals) -> None:
    with start(file) as process:
        assert process.stdout is not None
        reported = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert [event["event"] for event in reported] == ["start", "listening", "ready"]
    assert reported[0]["configuration"] == str(file)
    assert reported[1]["where"] == str(file.parent / "front.sock")
    later = [event for event in map(json.loads, out.splitlines()) if event["event"] not in ("message", "signal")]
    assert [event["event"] for event in later] == ["stopping", "closed"]
    closed = later[-1]
    assert closed["message"] == "frontend front is closed: no connections"
    assert (closed["connections"], closed["header_errors"], closed["no_server"]) == (0, 0, 0)
    assert "counts" not in closed
    assert (process.returncode, err) == (0, "")
    assert not (file.parent / "front.sock").exists()
