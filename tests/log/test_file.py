"""Files that lines are added to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailproxy.log.file import FileSink


class Moments:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Moments:
    return Moments()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "mailproxy.log"


@pytest.fixture
def sink(path: Path, clock: Moments) -> Iterator[FileSink]:
    sink = FileSink(str(path), clock=clock)
    yield sink
    sink.close()


def test_file_is_made_with_the_first_line_and_not_for_everybody(path: Path, sink: FileSink) -> None:
    assert not path.exists()
    assert sink.write([b"one\n", b"two\n"]) == 2
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o137 == 0


def test_lines_of_a_batch_are_one_write(path: Path) -> None:
    sizes: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return os.write(descriptor, data)

    sink = FileSink(str(path), write=write)
    assert sink.write(1000 * [b"line\n"]) == 1000
    assert sizes == [5000]
    sink.close()


def test_lines_are_added_to_those_of_other_processes(path: Path, sink: FileSink) -> None:
    other = FileSink(str(path))
    for number in range(3):
        sink.write([b"ours %d\n" % number])
        other.write([b"theirs %d\n" % number])
    other.close()
    assert path.read_bytes() == b"ours 0\ntheirs 0\nours 1\ntheirs 1\nours 2\ntheirs 2\n"


def test_renamed_file_gets_lines_until_the_path_is_opened_again(path: Path, sink: FileSink) -> None:
    sink.write([b"one\n"])
    old = path.rename(path.with_suffix(".1"))
    sink.write([b"two\n"])
    assert not path.exists()
    sink.reopen()
    sink.write([b"three\n"])
    assert (old.read_bytes(), path.read_bytes()) == (b"one\ntwo\n", b"three\n")


def test_path_is_opened_again_without_a_line(path: Path, sink: FileSink) -> None:
    """The renamed file may be removed, and its room is free then."""
    sink.write([b"one\n"])
    path.rename(path.with_suffix(".1"))
    sink.reopen()
    sink.refresh()
    assert path.read_bytes() == b""


def test_file_is_not_made_before_the_first_line(path: Path, sink: FileSink) -> None:
    sink.reopen()
    sink.refresh()
    assert not path.exists()


def test_deleted_file_is_made_again(path: Path, sink: FileSink) -> None:
    sink.write([b"one\n"])
    path.unlink()
    sink.write([b"two\n"])
    assert path.read_bytes() == b"two\n"


def test_deleted_folder_is_an_error_until_it_is_back(path: Path, sink: FileSink) -> None:
    sink.write([b"one\n"])
    path.unlink()
    path.parent.rmdir()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            sink.write([b"two\n"])
    path.parent.mkdir()
    assert sink.write([b"two\n"]) == 1
    assert path.read_bytes() == b"two\n"


def test_renamed_file_is_better_than_none(path: Path, sink: FileSink, clock: Moments) -> None:
    """As when the folder is root's, and root is given up; the path is tried once a second."""
    sink.write([b"one\n"])
    folder = path.parent.rename(path.parent.with_suffix(".1"))
    sink.reopen()
    sink.write([b"two\n"])
    path.parent.mkdir()
    sink.write([b"three\n"])
    assert not path.exists()
    clock.now += 1.0
    sink.write([b"four\n"])
    assert ((folder / path.name).read_bytes(), path.read_bytes()) == (b"one\ntwo\nthree\n", b"four\n")


def test_line_that_failed_in_the_middle_is_whole_in_the_new_file(path: Path) -> None:
    rooms = [3, 0]

    def write(descriptor: int, data: bytes) -> int:
        room = rooms.pop(0) if rooms else len(data)
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data[:room])

    sink = FileSink(str(path), write=write)
    assert sink.write([b"a line\n"]) == 0
    with pytest.raises(OSError, match="No space"):
        sink.write([b"a line\n"])
    old = path.rename(path.with_suffix(".1"))
    sink.reopen()
    assert sink.write([b"a line\n"]) == 1
    sink.close()
    assert (old.read_bytes(), path.read_bytes()) == (b"a l", b"a line\n")


def test_after_a_fork_the_file_is_opened_again(path: Path, sink: FileSink) -> None:
    sink.write([b"one\n"])
    path.rename(path.with_suffix(".1"))
    sink.forget()
    sink.write([b"of the child\n"])
    assert path.read_bytes() == b"of the child\n"
