"""Folders whose files are read with the rights of root, and in which the service's user may write."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from mailproxy.config import Config, TlsProfile
from mailproxy.front import writable
from mailproxy.front.writable import writable_warnings
from mailproxy.tls.certificates import read_certificates
from tests.tls.issue import issue

USER = pwd.getpwuid(os.geteuid()).pw_name
OTHER = next(entry.pw_name for entry in pwd.getpwall() if entry.pw_uid not in (0, os.geteuid()))


@pytest.fixture(autouse=True)
def reads_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writable, "_reads_any_file", lambda: True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a certificate; only its owner may write there, as in those above."""
    made = tmp_path / "tls"
    made.mkdir(mode=0o755)
    (made / "mail.pem").write_bytes(issue("mail.example.org").pem)
    (made / "mail.pem").chmod(0o600)
    return made


def warnings(folder: Path, user: str = OTHER, **changes: Any) -> list[str]:
    path = str(folder / "mail.pem")
    profile = TlsProfile(name="default", certificates=(path,))
    settings = Config(frontends=(), backends={}, tls={"default": profile}, user=user, workers=2)
    return list(writable_warnings(evolve(settings, **changes), {"default": read_certificates([path])}))


def test_folder_of_the_user_is_named_once(folder: Path) -> None:
    found = [line for line in warnings(folder, USER, tls={}) if f"folder {folder} " in line]
    assert found == [
        f"tls.default.certificates: the folder {folder} is writable by user {USER}, who could put links there and so "
        "make the service read any file: let root alone write there"
    ]


@pytest.mark.parametrize("mode", [0o757, 0o777])
def test_folder_that_all_may_write_to_is_named(folder: Path, mode: int) -> None:
    assert warnings(folder) == []
    folder.chmod(mode)
    assert len(warnings(folder)) == 1


def test_folder_on_the_way_is_named(folder: Path) -> None:
    folder.parent.chmod(0o757)
    (line,) = warnings(folder)
    assert f"the folder {folder.parent} is" in line


def test_folder_in_which_only_owners_replace_files_is_none(folder: Path) -> None:
    folder.chmod(0o1777)
    assert warnings(folder) == []


def test_folder_where_a_link_leads_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").mkdir(mode=0o755)
    (tmp_path / "link" / "mail.pem").symlink_to(folder / "mail.pem")
    folder.chmod(0o757)
    (line,) = warnings(tmp_path / "link")
    assert f"the folder {folder} is" in line


def test_folders_of_authorities_are_named_with_their_key(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir(mode=0o757)
    (tmp_path / "ca").chmod(0o757)
    profile = TlsProfile(name="default", certificates=(), client_ca=(str(tmp_path / "ca" / "ca.pem"),))
    (line,) = warnings(folder, tls={"default": profile})
    assert line.startswith("tls.default.client-ca: ")


@pytest.mark.parametrize("changes", [{"user": None}, {"workers": 0}, {"user": "no-such-user"}])
def test_service_without_that_right_has_no_warning(folder: Path, changes: dict[str, Any]) -> None:
    folder.chmod(0o757)
    assert warnings(folder, **changes) == []


def test_process_that_may_not_read_the_files_of_others_has_no_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    folder.chmod(0o757)
    assert len(warnings(folder)) == (os.geteuid() == 0)
