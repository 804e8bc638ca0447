"""What a reload would change in a running service."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailproxy.config import Problem, parse
from mailproxy.control.call import NoService
from mailproxy.control.compare import against_running, kept_by_running
from tests.control.service import DONE, Playback

TEXT = """
tls.default.certificates = ["mail.pem"]
frontend.imaps.bind = ["0.0.0.0:993"]
frontend.imaps.protocol = "imap"
frontend.imaps.backend = "dovecot"
backend.dovecot.server.d1.address = "10.41.1.131:10143"
"""


SETTINGS = parse(TEXT, "/etc/mailproxy")


def row(text: str, folder: str = "/etc/mailproxy") -> dict[str, str]:
    return {"type": "row", "file": f"{folder}/mailproxy.toml", "folder": folder, "text": text}


def test_same_words_are_no_difference(tmp_path: Path) -> None:
    with Playback(tmp_path / "s", [row(TEXT), DONE]) as service:
        assert against_running(parse(TEXT + "# a remark\n", "/etc/mailproxy"), service.path).differences == ()


def test_changes_are_reported_as_by_a_reload(tmp_path: Path) -> None:
    with Playback(tmp_path / "s", [row(TEXT), DONE]) as service:
        (change,) = against_running(parse("maxconn = 7\n" + TEXT, "/etc/mailproxy"), service.path).differences
    assert str(change).startswith("~ maxconn")


def test_what_waits_for_a_restart_is_a_change_until_then(tmp_path: Path) -> None:
    text = "workers = 2\n" + TEXT
    with Playback(tmp_path / "s", [row(text) | {"started": TEXT}, DONE]) as service:
        (change,) = against_running(parse(text, "/etc/mailproxy"), service.path).differences
    assert (str(change), change.needs_restart) == ("~ workers: 0 -> 2", True)


def test_table_that_changes_in_part_before_a_restart_has_two_changes(tmp_path: Path) -> None:
    table = "[limits]\nsources = {}\nsource-connections = {}\n"
    running, new = (table.format(*numbers) for numbers in ((1000, 50), (2000, 7)))
    with Playback(tmp_path / "s", [row(TEXT + running), DONE]) as service:
        changes = against_running(parse(TEXT + new, "/etc/mailproxy"), service.path).differences
    assert [(str(change), change.needs_restart) for change in changes] == [
        ("~ limits: sources 1000 -> 2000", True),
        ("~ limits: source-connections 50 -> 7", False),
    ]


def test_configuration_of_another_version_is_reported(tmp_path: Path) -> None:
    with (
        Playback(tmp_path / "s", [row("future = 1\n" + TEXT), DONE]) as service,
        pytest.raises(NoService, match="may have another version"),
    ):
        against_running(parse(TEXT, "/etc/mailproxy"), service.path)


def test_error_of_the_service_is_reported(tmp_path: Path) -> None:
    with (
        Playback(tmp_path / "s", [{"type": "error", "error": "no"}]) as service,
        pytest.raises(NoService, match="no"),
    ):
        against_running(parse(TEXT, "/etc/mailproxy"), service.path)


@pytest.mark.parametrize(
    ("served", "key", "message", "is_kept"),
    [
        ("/tls/a.pem", "tls.default.certificates", "/tls/a.pem: has no certificate", True),
        ("/tls/a.pem", "tls.other.certificates", "/tls/a.pem: has no certificate", False),
        ("/tls/a.pem", "tls.default.certificates", "/tls/a.pem.new: has no certificate", False),
        ("/tls/a.pem", "tls.default.certificates", "/tls/b.pem: has no certificate", False),
        ("/tls/a", "tls.default.certificates", "/tls/a/privkey.pem: cannot be read: Permission denied", True),
        ("/tls/a.pem", "tls.default.certificates", "/tls/*.pem: matches nothing that this user can see", True),
        ("/tls/a/", "tls.default.certificates", "/tls/*/: matches nothing that this user can see", True),
        ("/tls/a.pem", "frontend.imaps.bind", "/tls/a.pem: has no certificate", False),
    ],
)
def test_problem_with_a_certificate_in_use_is_kept(
    tmp_path: Path, served: str, key: str, message: str, is_kept: bool
) -> None:
    found = {"type": "row", "profile": "default", "path": served, "names": ["mail.example.org"]}
    problem = Problem(key, message)
    with Playback(tmp_path / "s", [found, DONE]) as service:
        assert kept_by_running(SETTINGS, [problem], service.path) == ((problem,) if is_kept else ())


def test_file_that_never_was_good_is_not_kept(tmp_path: Path) -> None:
    refused = {"type": "row", "profile": "default", "path": "/tls/a.pem", "names": [], "refused": "…"}
    with Playback(tmp_path / "s", [refused, DONE]) as service:
        assert (
            kept_by_running(SETTINGS, [Problem("tls.default.certificates", "/tls/a.pem: is empty")], service.path) == ()
        )


@pytest.mark.parametrize(
    ("running", "key", "message", "is_kept"),
    [
        ("office.txt", "bans.lists[0]", '/etc/mailproxy/office.txt:2: is "a", needs a network', True),
        ("office.txt", "bans.lists[0]", "/etc/mailproxy/office.txt: cannot be read: Permission denied", True),
        ("office.txt", "bans.lists[0]", "/etc/mailproxy/office.txt.new: is not a file", False),
        ("office.txt", "tls.default.certificates", "/etc/mailproxy/office.txt: has no certificate", False),
        ("home.txt", "bans.lists[0]", "/etc/mailproxy/office.txt: is not a file", False),
    ],
)
def test_problem_with_a_list_in_use_is_kept(
    tmp_path: Path, running: str, key: str, message: str, is_kept: bool
) -> None:
    settings, current = (TEXT + f'bans.lists = ["@{name}"]\n' for name in ("office.txt", running))
    problem = Problem(key, message)
    with Playback(tmp_path / "s", [DONE], [row(current), DONE]) as service:
        kept = kept_by_running(parse(settings, "/etc/mailproxy"), [problem], service.path)
    assert kept == ((problem,) if is_kept else ())
