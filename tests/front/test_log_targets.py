"""Targets of the log that cannot work yet."""

import os
import socket
from pathlib import Path

import pytest
from attrs import evolve

from mailproxy.config import Config, Frontend, FrontendLog, Log
from mailproxy.config.target import Journal, LogFile, LogTarget, SyslogSocket
from mailproxy.front import log_targets
from mailproxy.front.log_targets import target_warnings


def settings(target: LogTarget) -> Config:
    return Config(frontends=(), backends={}, log=Log(target=target))


def test_file_in_a_folder_is_good(tmp_path: Path) -> None:
    assert target_warnings(settings(LogFile(f"{tmp_path}/log"))) == ()


def test_file_without_a_folder_is_reported(tmp_path: Path) -> None:
    assert target_warnings(settings(LogFile(f"{tmp_path}/no/log"))) == (
        f"log.target: {tmp_path}/no/log cannot be written: there is no folder {tmp_path}/no",
    )


def test_folder_is_no_file(tmp_path: Path) -> None:
    assert target_warnings(settings(LogFile(str(tmp_path)))) == (
        f"log.target: {tmp_path} cannot be written: it is a folder",
    )


@pytest.mark.parametrize("name", ["full", "new"])
def test_file_that_is_not_ours_is_reported(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    asked: list[str] = []

    def access(path: str, mode: int) -> bool:
        asked.append(path)
        return False

    monkeypatch.setattr(os, "access", access)  # root may write everywhere
    path = f"{tmp_path}/{name}"
    assert target_warnings(settings(LogFile(path))) == (f"log.target: {path} cannot be written: permission denied",)
    assert asked == [path if name == "full" else str(tmp_path)]


@pytest.mark.parametrize("kind", [Journal, SyslogSocket])
def test_socket_that_is_not_there_is_reported(kind: type[Journal] | type[SyslogSocket], tmp_path: Path) -> None:
    path = f"{tmp_path}/log"
    assert target_warnings(settings(kind(path))) == (
        f"log.target: {path} does not exist: is the service that listens there running?",
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        assert target_warnings(settings(kind(path))) == ()


def test_syslog_that_is_the_journal_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path, journal = tmp_path / "log", tmp_path / "dev-log"
    journal.touch()
    path.symlink_to(journal)
    monkeypatch.setattr(log_targets, "JOURNAL", str(journal))
    assert target_warnings(settings(SyslogSocket(str(path)))) == (
        f'log.target: {path} is journald\'s, which does not read RFC 5424: "journal" keeps the fields apart',
    )


def test_each_frontend_with_a_target_is_looked_at(tmp_path: Path) -> None:
    target = LogFile(f"{tmp_path}/no/log")
    frontend = Frontend(name="imaps", bind=(), protocol="imap", backend="b", log=FrontendLog(target=target))
    whole = evolve(settings(target), frontends=(frontend,))
    assert len(target_warnings(whole)) == 1
    apart = evolve(whole, log=Log())
    (warning,) = target_warnings(apart)
    assert warning.startswith("frontend.imaps.log.target: ")
