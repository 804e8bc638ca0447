"""A file that changes."""

import os
from pathlib import Path

from mailproxy.names.reread import Reread


def test_file_is_parsed_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("one")
    parsed = []
    reread = Reread(str(path), lambda text: parsed.append(text) or text)  # type: ignore[func-returns-value]  # brief
    assert [reread(), reread()] == ["one", "one"]
    path.write_text("other")
    assert reread() == "other"
    assert parsed == ["", "one", "other"]


def test_file_that_replaces_another_is_read(tmp_path: Path) -> None:
    path, new = tmp_path / "hosts", tmp_path / "new"
    path.write_text("one")
    new.write_text("two")
    os.utime(path, ns=(0, 0))
    os.utime(new, ns=(0, 0))
    reread = Reread(str(path), str)
    assert reread() == "one"
    new.replace(path)
    assert reread() == "two"


def test_missing_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    reread = Reread(str(path), str)
    assert reread() == ""
    path.write_text("one")
    assert reread() == "one"
    path.unlink()
    assert reread() == ""


def test_file_that_cannot_be_read_says_what_it_said(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("one")
    reread = Reread(str(path), str)
    assert reread() == "one"
    path.unlink()
    path.mkdir()
    assert reread() == "one"
