"""Lists of networks that change while the front runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from mailproxy.front import network_lists as module
from mailproxy.front.network_lists import ListWatch
from mailproxy.networks import list_file
from mailproxy.networks.list_file import UnusableList, read_list
from mailproxy.networks.network_list import NetworkLists, ReadList, read_lists
from mailproxy.networks.network_set import NetworkSet

TEN = ip_address("10.1.2.3").packed
ELEVEN = ip_address("11.1.2.3").packed
SECONDS = 60.0


class Here:
    """Work that runs when the test says so, without a thread."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.is_slow = False

    def do(self, work: Callable[[], Any]) -> Deferred[Any]:
        if not self.is_slow:
            return execute(work)
        done: Deferred[Any] = Deferred()
        result = work()
        self.waiting.append(lambda: done.callback(result))
        return done


class Bench:
    """A process with one list, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "office.txt"
        self.file.write_text("10.0.0.0/8\n")
        self.lists = NetworkLists()
        for read in read_lists([str(self.file)], {})[0]:
            self.lists.take(read)
        self.office = self.lists.at(str(self.file))
        self.clock = Clock()
        self.now = time.time() + 10  # when nothing has just changed
        self.background = Here()
        self.watch = ListWatch(self.lists, self.clock, self.background, now=lambda: self.now)  # type: ignore[arg-type]
        self.watch.follow([str(self.file)], SECONDS)

    def write(self, text: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.file)

    def networks(self) -> tuple[bool, bool]:
        return TEN in self.office.networks, ELEVEN in self.office.networks


@pytest.fixture
def events() -> Iterator[list[LogEvent]]:
    found: list[LogEvent] = []
    observer = cast(ILogObserver, found.append)
    globalLogPublisher.addObserver(observer)
    yield found
    globalLogPublisher.removeObserver(observer)


@pytest.fixture
def bench(tmp_path: Path, events: list[LogEvent]) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.watch.stop()
    assert not made.clock.getDelayedCalls()
    assert not [event for event in events if "log_failure" in event]


def written(events: list[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in events]


def test_changed_list_is_used_after_a_look(bench: Bench, events: list[LogEvent]) -> None:
    bench.write("11.0.0.0/8\n12.0.0.0/8\n")
    assert bench.networks() == (True, False)
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)
    assert written(events) == [f"{bench.file} has changed: 2 networks"]
    bench.write("11.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    assert written(events)[1:] == [f"{bench.file} has changed: 1 network"]


def test_list_that_bans_much_of_the_internet_is_used_with_a_warning(bench: Bench, events: list[LogEvent]) -> None:
    broad = "".join(f"{number}.0.0.0/8\n" for number in range(128))
    bench.write(broad)
    bench.clock.advance(SECONDS)
    assert len(written(events)) == 1
    bench.watch.follow([str(bench.file)], SECONDS, [str(bench.file)])
    bench.write(broad + "200.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (True, True)
    assert written(events)[2].startswith(f"list {bench.file} bans 50 % of all IPv4 addresses (2164260864); take ")
    bench.watch.follow([str(bench.file)], SECONDS, [str(bench.file)], NetworkSet.of([ip_network("0.0.0.0/1")]))
    bench.write(broad)
    bench.clock.advance(SECONDS)
    assert len(written(events)) == 4


def test_other_processes_get_the_change(bench: Bench) -> None:
    reported: list[ReadList] = []
    bench.watch.announce = reported.append
    bench.write("11.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    assert [(read.path, read.networks) for read in reported] == [(str(bench.file), bench.office.networks)]


def test_broken_file_keeps_the_former_list_and_is_logged_once(bench: Bench, events: list[LogEvent]) -> None:
    bench.write("11.0.0.0/8\n11.0.0.0/40\n")
    for _ in range(3):
        bench.clock.advance(SECONDS)
    assert bench.networks() == (True, False)
    (line,) = written(events)
    assert line.startswith(f'{bench.file}:2: is "11.0.0.0/40", needs a network')
    assert line.endswith("; the previous list stays in use")


def test_repaired_file_is_used(bench: Bench) -> None:
    bench.write("nonsense\n")
    bench.clock.advance(SECONDS)
    bench.write("11.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)


def test_list_is_refused_until_its_file_is_repaired(bench: Bench) -> None:
    bench.write("nonsense\n")
    bench.clock.advance(SECONDS)
    assert bench.lists.refused[str(bench.file)].startswith(f"{bench.file}:1: is ")
    bench.write("11.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    assert bench.lists.refused == {}


@pytest.mark.parametrize("is_seen", [True, False])
def test_refused_list_is_good_again_when_the_former_file_is_back(bench: Bench, is_seen: bool) -> None:
    good = bench.file.with_suffix(".good")
    bench.file.rename(good)
    if is_seen:
        bench.clock.advance(SECONDS)
    else:
        bench.lists.refuse(str(bench.file), "a reload has found it broken")
    assert list(bench.lists.refused) == [str(bench.file)]
    good.rename(bench.file)
    bench.clock.advance(SECONDS)
    assert bench.lists.refused == {}


def test_missing_file_keeps_the_former_list(bench: Bench, events: list[LogEvent]) -> None:
    bench.file.unlink()
    bench.clock.advance(SECONDS)
    assert bench.networks() == (True, False)
    assert written(events) == [
        f"{bench.file}: cannot be read: No such file or directory; the previous list stays in use"
    ]


def test_unchanged_file_is_not_read(bench: Bench, events: list[LogEvent]) -> None:
    bench.clock.advance(SECONDS)
    assert events == []


def test_file_that_has_just_changed_is_read_later(bench: Bench) -> None:
    bench.now = time.time()
    bench.write("11.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (True, False)
    bench.now += 10
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)


def test_file_with_a_time_in_the_future_is_read(bench: Bench) -> None:
    bench.write("11.0.0.0/8\n")
    ahead = bench.now + 86400
    os.utime(bench.file, (ahead, ahead))
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)


def test_replaced_file_of_the_same_time_and_size_is_read(bench: Bench) -> None:
    state = bench.file.stat()
    other = bench.file.with_suffix(".new")
    other.write_text(bench.file.read_text().replace("10.", "11.", 1))
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(bench.file)
    assert bench.file.stat().st_size == state.st_size
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)


def test_file_that_is_too_large_is_refused_once_and_not_read_again(
    bench: Bench, events: list[LogEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def read(path: str, *, bans: bool = False) -> NetworkSet:
        tries.append(path)
        return read_list(path)

    monkeypatch.setattr(list_file, "MAX_BYTES", 1024 * 1024)
    monkeypatch.setattr(module, "read_list", read)
    bench.write("#" * (1024 * 1024 + 1))
    for _ in range(3):
        bench.clock.advance(SECONDS)
    assert written(events) == [
        f"{bench.file}: has more than 1 MiB, the most that is read; the previous list stays in use"
    ]
    assert tries == [str(bench.file)]


def test_emptied_file_is_used_after_two_equal_checks(bench: Bench) -> None:
    bench.write("")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (True, False)
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, False)


def test_file_that_is_empty_for_a_moment_keeps_the_former_list(bench: Bench) -> None:
    bench.write("")
    bench.clock.advance(SECONDS)
    bench.write("# nothing yet\n")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (True, False)
    bench.write("11.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)


def test_file_that_changes_while_it_is_read_is_read_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: str, *, bans: bool = False) -> NetworkSet:
        bench.write("11.0.0.0/8\n12.0.0.0/8\n")
        return NetworkSet()

    bench.write("11.0.0.0/8\n")
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_list", read)
        bench.clock.advance(SECONDS)
        assert bench.networks() == (True, False)
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)


def test_result_of_a_former_reading_is_dropped(bench: Bench) -> None:
    bench.background.is_slow = True
    bench.write("11.0.0.0/8\n")
    bench.clock.advance(SECONDS)
    bench.watch.follow([str(bench.file)], SECONDS)
    (finish,) = bench.background.waiting
    finish()
    assert bench.networks() == (True, False)


@pytest.mark.parametrize(("paths", "seconds"), [([], SECONDS), (["office.txt"], 0.0)])
def test_nothing_is_watched_without_files_or_interval(bench: Bench, paths: list[str], seconds: float) -> None:
    bench.watch.follow(paths, seconds)
    assert not bench.clock.getDelayedCalls()


def test_file_that_could_not_be_read_is_tried_again(
    bench: Bench, events: list[LogEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: str, *, bans: bool = False) -> NetworkSet:
        raise UnusableList(path, 0, "cannot be read: Too many open files", may_pass=True)

    bench.write("11.0.0.0/8\n")
    with monkeypatch.context() as patch:
        patch.setattr(module, "read_list", read)
        for _ in range(3):
            bench.clock.advance(SECONDS)
    assert bench.networks() == (True, False)
    assert written(events) == [
        f"{bench.file}: cannot be read: Too many open files; the previous list stays in use",
    ]
    bench.clock.advance(SECONDS)
    assert bench.networks() == (False, True)


def test_too_wide_network_keeps_the_former_list_where_it_bans(bench: Bench, events: list[LogEvent]) -> None:
    bench.watch.follow([str(bench.file)], SECONDS, [str(bench.file)])
    bench.write("11.0.0.0/8\n0.0.0.0/0\n")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (True, False)
    (line,) = written(events)
    assert line == (
        f'{bench.file}:2: is "0.0.0.0/0", which holds more than a /8, the widest network that can be banned; '
        "the previous list stays in use"
    )


def test_rule_may_get_a_list_of_everybody(bench: Bench) -> None:
    bench.write("0.0.0.0/0\n")
    bench.clock.advance(SECONDS)
    assert bench.networks() == (True, True)
