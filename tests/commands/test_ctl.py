"""``mailproxy ctl`` on the command line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from mailproxy.commands import ctl
from mailproxy.control.command import COMMANDS
from tests.control.service import DONE, Playback

INFO = {"type": "row", "version": "0.1.0", "uptime_s": 61.0}
CHECKED = {"type": "row", "backend": "b", "server": "d1", "protocol": "imap", "ok": False, "says": "x", "took_s": 0.001}


def run(*words: str) -> int:
    parser = ArgumentParser()
    ctl.configure(parser)
    return ctl.run(parser.parse_args(list(words)))


def answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: list[dict[str, Any]], *words: str
) -> tuple[int, str, str]:
    with Playback(tmp_path / "s", answer) as service:
        status = run("--socket", service.path, *words)
    out, err = capsys.readouterr()
    return status, out, err


def test_rows_are_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answered(tmp_path, capsys, [CHECKED, DONE], "check", "now", "b/d1")
    assert status == 0
    assert out.splitlines() == ["SERVER  PROTOCOL  RESULT  TOOK  SAYS", "b/d1    imap      failed   1ms  x"]


def test_one_row_is_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answered(tmp_path, capsys, [INFO, DONE], "show", "info") == (0, "version   0.1.0\nuptime_s  1m1s\n", "")


def test_no_rows_are_headings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answered(tmp_path, capsys, [DONE], "show", "sessions")
    assert (status, out.split()[:2]) == (0, ["ID", "FRONTEND"])


def test_no_sources_with_connections_lead_to_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = answered(tmp_path, capsys, [DONE], "show", "sources")
    assert (status, "show sources by rate" in err) == (0, True)


def test_message_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = [DONE | {"message": "the service stops"}]
    assert answered(tmp_path, capsys, answer, "stop") == (0, "the service stops\n", "")


def test_configuration_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = [{"type": "row", "text": 'a = "\x1b[2J"\n\nb = 1\n'}, DONE]
    assert answered(tmp_path, capsys, answer, "show", "config") == (0, 'a = "\\x1b[2J"\n\nb = 1\n', "")


def test_changes_of_a_reload_are_printed_as_the_log_has_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = [
        {"type": "row", "change": "+ frontend pop3s", "needs_restart": False, "is_warning": False},
        {"type": "row", "change": "~ workers: 0 -> 2", "needs_restart": True, "is_warning": False},
        {"type": "row", "change": "mind this", "needs_restart": False, "is_warning": True},
        DONE | {"message": "reloaded, with 2 changes"},
    ]
    status, out, _ = answered(tmp_path, capsys, answer, "reload")
    assert status == 0
    assert out.splitlines() == [
        "+ frontend pop3s",
        "~ workers: 0 -> 2, which takes effect when mailproxy is restarted",
        "warning: mind this",
        "reloaded, with 2 changes",
    ]


def test_error_has_all_its_lines_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = [{"type": "error", "error": "a.toml: 2 problems\nmaxconn: is wrong"}]
    assert answered(tmp_path, capsys, answer, "reload") == (1, "", "a.toml: 2 problems\nmaxconn: is wrong\n")


def test_json_is_what_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = answered(tmp_path, capsys, [INFO, DONE], "--json", "show", "info")
    assert status == 0
    assert [json.loads(line) for line in out.splitlines()] == [INFO, DONE]


def test_error_in_json_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"type": "error", "error": "no"}
    status, out, _ = answered(tmp_path, capsys, [error], "show", "info", "--json")
    assert (status, json.loads(out)) == (1, error)


def test_events_are_lines_until_the_service_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = {"type": "event", "event": "ready"}
    status, out, err = answered(tmp_path, capsys, [event, event], "watch")
    assert (status, [json.loads(line) for line in out.splitlines()]) == (1, [event, event])
    assert "has closed the connection" in err


def test_wrong_command_is_reported_without_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--socket", "/nowhere", "show", "sesions") == 2
    assert capsys.readouterr().err == '"sesions" is unknown after "show"; did you mean "sessions"?\n'


def test_service_that_is_not_there_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(f'admin.socket = "{tmp_path}/s"\n')
    assert run("-c", str(tmp_path / "a.toml"), "show", "info") == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}/s: does not exist")


@pytest.mark.parametrize(("words", "status"), [([], 2), (["help"], 0)])
def test_help_has_all_commands(capsys: pytest.CaptureFixture[str], words: list[str], status: int) -> None:
    assert run(*words) == status
    out = capsys.readouterr().out
    assert [command for command in COMMANDS if command.usage not in out] == []
