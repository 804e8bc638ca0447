"""The folder of the demo's files."""

import os
import tempfile
from pathlib import Path

import pytest

from mailproxy.demo.folder import private_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_path_is_the_same_each_time(temporary: Path) -> None:
    for _ in range(2):
        with private_folder("demo") as folder:
            assert folder == temporary / "demo"


def test_nobody_else_may_enter() -> None:
    with private_folder("demo") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


def test_folder_is_removed_with_its_files(temporary: Path) -> None:
    with private_folder("demo") as folder:
        (folder / "key").touch()
    assert list(temporary.iterdir()) == []


def test_folder_is_removed_after_an_error(temporary: Path) -> None:
    with pytest.raises(OSError, match="full"), private_folder("demo"):
        raise OSError("full")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_demo_left_is_removed(temporary: Path) -> None:
    (temporary / "demo").mkdir(mode=0o700)
    (temporary / "demo" / "old").touch()
    with private_folder("demo") as folder:
        assert folder == temporary / "demo"
        assert list(folder.iterdir()) == []


def test_symbolic_link_is_not_followed(temporary: Path) -> None:
    target = temporary / "target"
    target.mkdir(mode=0o700)
    (target / "precious").touch()
    (temporary / "demo").symlink_to(target)
    with private_folder("demo") as folder:
        assert folder.parent == temporary
        assert folder.name.startswith("demo-")
    assert (target / "precious").exists()
    assert (temporary / "demo").is_symlink()


def test_dangling_symbolic_link_is_not_followed(temporary: Path) -> None:
    (temporary / "demo").symlink_to(temporary / "nowhere")
    with private_folder("demo") as folder:
        assert folder.name.startswith("demo-")
    assert not (temporary / "nowhere").exists()


def test_folder_that_others_may_enter_stays(temporary: Path) -> None:
    (temporary / "demo").mkdir()
    (temporary / "demo").chmod(0o755)
    with private_folder("demo") as folder:
        assert folder.name.startswith("demo-")
    assert (temporary / "demo").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_folder_of_another_user_stays(temporary: Path) -> None:
    (temporary / "demo").mkdir(mode=0o700)
    os.chown(temporary / "demo", 65534, 65534)
    with private_folder("demo") as folder:
        assert folder.name.startswith("demo-")
    assert (temporary / "demo").is_dir()
