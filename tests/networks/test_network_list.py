"""The lists that a process uses."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from mailproxy.networks.list_file import UnusableList
from mailproxy.networks.network_list import NetworkLists, ReadList, read_lists
from mailproxy.networks.network_set import EMPTY, NetworkSet

TEN = ip_address("10.1.2.3").packed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "office.txt"
    made.write_bytes(b"10.0.0.0/8\n")
    return made


def take(lists: NetworkLists, *files: Path) -> tuple[UnusableList, ...]:
    read, problems = read_lists([str(file) for file in files], lists.known)
    for one in read:
        lists.take(one)
    return problems


def test_list_changes_in_place(file: Path) -> None:
    lists = NetworkLists()
    office = lists.at(str(file))
    assert TEN not in office.networks
    assert take(lists, file) == ()
    assert TEN in office.networks


def test_unchanged_file_is_not_read_again(file: Path) -> None:
    lists = NetworkLists()
    take(lists, file)
    (read,), _ = read_lists([str(file)], lists.known)
    assert read.networks is lists.at(str(file)).networks


def test_broken_file_keeps_its_content_from_before(file: Path) -> None:
    lists = NetworkLists()
    take(lists, file)
    file.write_bytes(b"10.0.0.0/8\nnonsense\n")
    (problem,) = take(lists, file)
    assert (problem.path, problem.line) == (str(file), 2)
    assert TEN in lists.at(str(file)).networks


def test_broken_file_is_read_again_each_time(file: Path) -> None:
    lists = NetworkLists()
    take(lists, file)
    file.write_bytes(b"nonsense\n")
    take(lists, file)
    assert len(take(lists, file)) == 1


def test_broken_file_that_was_never_right_has_no_content(file: Path) -> None:
    file.write_bytes(b"nonsense\n")
    read, problems = read_lists([str(file)], {})
    assert (read, len(problems)) == ((), 1)


def test_lists_of_other_files_are_forgotten() -> None:
    lists = NetworkLists()
    for path in ("a", "b"):
        lists.take(ReadList(path, EMPTY, (1,)))
    kept = lists.at("b")
    lists.keep({"b"})
    assert dict(lists.known) == {"b": kept}


def test_sets_may_be_compared() -> None:
    assert ReadList("a", EMPTY, (1,)) == ReadList("a", NetworkSet(), (1,))


def test_list_of_a_rule_is_read_again_when_it_bans(file: Path) -> None:
    lists = NetworkLists()
    file.write_bytes(b"0.0.0.0/0\n")
    assert take(lists, file) == ()
    read, (problem,) = read_lists([str(file)], lists.known, [str(file)])
    assert (read, problem.line) == ((), 1)


def test_list_of_bans_keeps_its_content_when_a_network_is_too_wide(file: Path) -> None:
    lists = NetworkLists()
    for one in read_lists([str(file)], {}, [str(file)])[0]:
        lists.take(one)
    file.write_bytes(b"0.0.0.0/0\n# all\n")
    (read,), (problem,) = read_lists([str(file)], lists.known, [str(file)])
    assert (read.networks, problem.line) == (lists.at(str(file)).networks, 1)


def test_list_that_was_never_read_has_no_content_to_keep(tmp_path: Path) -> None:
    lists = NetworkLists()
    path = str(tmp_path / "missing.txt")
    lists.at(path)  # as a reload that failed leaves it
    read, (problem,) = read_lists([path], lists.known)
    assert (read, problem.path) == ((), path)
