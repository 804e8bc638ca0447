"""Completion, as shells ask for it and as they do it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from mailproxy.commands import COMMANDS, completion
from tests.control.service import DONE, Playback

ROW = {"type": "row", "backend": "dovecot", "server": "d1"}


def run(*words: str) -> int:
    parser = ArgumentParser()
    completion.configure(parser)
    return completion.run(parser.parse_args(list(words)))


def candidates(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert run("candidates", *words) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], list(COMMANDS)),
        (["ch"], ["check", "check-starttls"]),
        (["--v"], ["--version"]),
        (["ctl", "show", "s"], ["servers", "sessions", "sources"]),
        (["ctl", "--j"], ["--json"]),
        (["ctl", "--json", "-c", "/nowhere", "wa"], ["watch"]),
        (["check", "--ag"], ["--against-running"]),
        (["check", ""], []),
        (["header", ""], ["encode", "decode"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["completion", "bash", ""], []),
        (["ctl", "-c", ""], []),
        (["nonsense", ""], []),
    ],
)
def test_words_have_candidates(capsys: pytest.CaptureFixture[str], words: list[str], expected: list[str]) -> None:
    assert candidates(capsys, *words) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_options(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "--help" in candidates(capsys, command, "--")


def test_names_come_from_the_service_that_options_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(f'admin.socket = "{tmp_path}/s"\n')
    for option, value in (("-c", f"{tmp_path}/a.toml"), ("--socket", f"{tmp_path}/s")):
        with Playback(tmp_path / "s", [ROW, DONE]):
            assert candidates(capsys, "ctl", option, value, "check", "now", "d") == ["dovecot/d1"]
        (tmp_path / "s").unlink()


# What types in a shell: it sources the script, asks for completions, and prints them one a line.
SHELLS = {
    "bash": """
source {script}
complete -p mailproxy >/dev/null
COMP_WORDS=({words}) COMP_CWORD=$(({count} - 1))
_mailproxy
printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    "zsh": """
autoload -U compinit && compinit -u -d {folder}/dump
source {script}
compadd() {{ print -l -- "${{(@)found}}" }}
words=({words}) CURRENT={count}
_mailproxy
""",
    "fish": """
source {script}
complete -C {line}
""",
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mailproxy", "ctl", "show", "se"], ["servers", "sessions"]),
        (["mailproxy", "ctl", "--socket", "SOCKET", "set", "server", ""], ["dovecot/d1"]),
    ],
    ids=["commands", "names"],
)
def test_shell_completes(tmp_path: Path, shell: str, words: list[str], expected: list[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(completion.SCRIPTS[shell])
    words = [word.replace("SOCKET", f"{tmp_path}/s") for word in words]
    text = SHELLS[shell].format(
        script=script,
        folder=tmp_path,
        words=" ".join(map(shlex.quote, words)),
        count=len(words),
        line=shlex.quote(" ".join(words)),
    )
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with Playback(tmp_path / "s", [ROW, DONE]):
        done = subprocess.run(
            [shell, "-c", text], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path, check=False
        )
    assert (done.stdout.split(), done.returncode) == (expected, 0), done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("dovecot/a", ":", "im"), ["imap"]),
        (("dovecot/a", ":"), ["imap", "pop3"]),
        (("dovecot/a",), ["dovecot/a:imap", "dovecot/a:pop3"]),
    ],
)
def test_bash_completes_names_with_colons(tmp_path: Path, typed: tuple[str, ...], expected: list[str]) -> None:
    rows = [ROW | {"server": name} for name in ("a:imap", "a:pop3", "b")]
    words = ["mailproxy", "ctl", "--socket", f"{tmp_path}/s", "check", "now", *typed]
    text = "COMP_WORDBREAKS=' :'\n" + SHELLS["bash"].format(
        script=tmp_path / "script", words=" ".join(map(shlex.quote, words)), count=len(words)
    )
    (tmp_path / "script").write_text(completion.SCRIPTS["bash"])
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with Playback(tmp_path / "s", [*rows, DONE]):
        done = subprocess.run(
            ["bash", "-c", text],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PATH": path},
            cwd=tmp_path,
            check=False,
        )
    assert (done.stdout.split(), done.returncode) == (expected, 0), done.stderr
