"""Bans over the life of a service: their file, their ends, and requests for more."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs

from mailproxy import config
from mailproxy.bans import bans as bans_module
from mailproxy.bans.bans import BANS_AT_ONCE, LONGEST_SECONDS
from mailproxy.bans.gate import BanGate
from mailproxy.bans.keeper import BanKeeper
from mailproxy.bans.request import BanRequest
from mailproxy.bans.saving import CROWDSEC_DELAY_SECONDS, DELAY_SECONDS, RETRY_SECONDS
from mailproxy.bans.sweep import MAX_AT_ONCE, SWEEP_SECONDS
from mailproxy.config.bans import CrowdSecSettings
from tests.bans.builders import ban, key

WALL = 1_800_000_000.0
ADDRESS = ip_address("192.0.2.7").packed


class Bench:
    """A keeper, with a thread that works when the test says so."""

    def __init__(self, folder: Path, events: Sequence[LogEvent]) -> None:
        self.path = folder / "bans.json"
        self.events = events
        self.wall = WALL
        self.begin()

    def begin(self) -> None:
        """Begin as a new process, after a reboot."""
        self.clock = Clock()
        self.gate = BanGate()
        self.works: list[tuple[Callable[[], None], Deferred[None]]] = []
        self.keeper = BanKeeper(
            self.gate,
            self.clock,
            self._in_thread,
            monotonic=self.clock.seconds,
            wall=lambda: self.wall + self.clock.seconds(),
        )

    def _in_thread(self, work: Callable[[], None]) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.works.append((work, done))
        return done

    def work(self) -> None:
        """Let the thread do its work."""
        works, self.works = self.works, []
        for work, done in works:
            execute(work).addBoth(done.callback)

    def advance(self, seconds: float) -> None:
        for _ in range(math.ceil(seconds / SWEEP_SECONDS)):
            self.clock.advance(SWEEP_SECONDS)
            self.work()

    def start(self) -> None:
        self.keeper.start(config.Bans(file=str(self.path)))

    def ban(self, place: str, seconds: float | None = None) -> None:
        self.keeper.ban(key(place), "ctl", "spam", seconds)

    @property
    def places(self) -> list[str]:
        return sorted(one.place for one in self.keeper.bans.table)

    @property
    def written(self) -> list[str]:
        """The networks in the file."""
        return sorted(row["network"] for row in json.loads(self.path.read_text())["bans"])

    def logged(self, event: str) -> list[LogEvent]:
        return [one for one in self.events if one.get("event") == event]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with capturedLogs() as events:
        made = Bench(tmp_path, events)
        yield made
        assert [event["log_failure"] for event in events if "log_failure" in event] == []


def test_bans_survive_a_restart(bench: Bench) -> None:
    bench.start()
    bench.ban("192.0.2.7")
    bench.ban("192.0.2.8", 60.0)
    bench.keeper.stop()
    bench.begin()
    bench.wall += 59.0
    bench.start()
    assert bench.places == ["192.0.2.7", "192.0.2.8"]
    bench.clock.advance(1.0)
    assert bench.places == ["192.0.2.7"]


def test_bans_are_written_soon(bench: Bench) -> None:
    bench.start()
    bench.ban("192.0.2.7")
    bench.advance(DELAY_SECONDS)
    assert bench.written == ["192.0.2.7"]


def test_ban_during_a_write_is_written_after_it(bench: Bench) -> None:
    bench.start()
    bench.ban("192.0.2.7")
    bench.clock.advance(DELAY_SECONDS)
    bench.ban("192.0.2.8")
    bench.work()
    assert bench.written == ["192.0.2.7"]
    bench.advance(DELAY_SECONDS)
    assert bench.written == ["192.0.2.7", "192.0.2.8"]


def test_slow_write_is_followed_by_a_longer_pause(bench: Bench) -> None:
    bench.start()
    bench.ban("192.0.2.7")
    bench.clock.advance(DELAY_SECONDS)
    bench.clock.advance(2.0)
    bench.work()
    bench.ban("192.0.2.8")
    bench.advance(38.0)
    assert bench.written == ["192.0.2.7"]
    bench.advance(2.0)
    assert bench.written == ["192.0.2.7", "192.0.2.8"]


def test_decisions_of_crowdsec_are_written_seldom(bench: Bench) -> None:
    bench.start()
    bench.keeper.bans.ban(ban("192.0.2.7", origin="crowdsec"))
    bench.advance(CROWDSEC_DELAY_SECONDS - 1.0)
    assert not bench.path.exists()
    bench.advance(1.0)
    assert bench.written == ["192.0.2.7"]


def test_write_of_the_stop_is_not_replaced_by_an_earlier_one(bench: Bench) -> None:
    bench.start()
    bench.ban("192.0.2.7")
    bench.clock.advance(DELAY_SECONDS)
    bench.ban("192.0.2.8")
    bench.keeper.stop()
    bench.work()
    assert bench.written == ["192.0.2.7", "192.0.2.8"]


def test_nothing_is_written_without_a_change(bench: Bench) -> None:
    bench.start()
    bench.advance(10.0)
    bench.keeper.stop()
    assert not bench.path.exists()


def test_file_that_cannot_be_written_is_tried_again_and_logged_once(bench: Bench) -> None:
    bench.path = bench.path.parent / "later" / "bans.json"
    bench.start()
    bench.ban("192.0.2.7")
    bench.advance(DELAY_SECONDS + RETRY_SECONDS)
    (event,) = bench.logged("bans-unwritten")
    assert event["reason"] == "No such file or directory"
    bench.path.parent.mkdir()
    bench.advance(RETRY_SECONDS)
    assert bench.written == ["192.0.2.7"]
    assert len(bench.logged("bans-written")) == 1


def test_broken_file_is_renamed_and_the_service_starts(bench: Bench) -> None:
    bench.path.write_text("broken")
    bench.start()
    (event,) = bench.logged("bans-unusable")
    assert event["log_format"].format(**event) == (
        f"bans: {bench.path}: is not a file of bans: no '{{' at character 0; it is kept as {bench.path}.broken, and "
        "mailproxy continues without its bans"
    )
    bench.ban("192.0.2.7")
    bench.advance(DELAY_SECONDS)
    assert bench.written == ["192.0.2.7"]
    assert Path(f"{bench.path}.broken").read_text() == "broken"


def test_too_wide_bans_in_the_file_are_skipped_with_one_warning(bench: Bench) -> None:
    row = {"origin": "ctl", "reason": "", "since": "2026-11-21T00:00:00Z", "until": None}
    networks = ("192.0.2.7", "0.0.0.0/0", "::/0", "10.0.0.0/8")
    rows = [row | {"network": network} for network in networks]
    bench.path.write_text(json.dumps({"version": 1, "written": "2026-11-21T00:00:00Z", "bans": rows}))
    bench.start()
    assert bench.places == ["10.0.0.0/8", "192.0.2.7"]
    (event,) = bench.logged("bans-skipped")
    assert event["log_format"].format(**event) == (
        f"bans: {bench.path}: the ban of 0.0.0.0/0 is skipped, which holds more than a /8, the widest network that can "
        "be banned; 2 skipped in all"
    )


def test_broken_file_that_cannot_be_renamed_is_not_written_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(13, "Permission denied")

    bench.path.write_text("broken")
    monkeypatch.setattr(os, "replace", refuse)
    bench.start()
    monkeypatch.undo()
    bench.ban("192.0.2.7")
    bench.advance(10.0)
    assert bench.path.read_text() == "broken"
    assert "no bans are written" in bench.logged("bans-unusable")[0]["log_where"]


def test_file_is_written_again_when_the_wall_clock_is_set(bench: Bench) -> None:
    bench.start()
    bench.ban("192.0.2.7", 3600.0)
    bench.advance(DELAY_SECONDS)
    before = bench.path.read_text()
    bench.wall += 1000.0
    bench.advance(1.0 + DELAY_SECONDS)
    assert bench.path.read_text() != before
    bench.begin()
    bench.start()
    assert bench.keeper.bans.table.get(key("192.0.2.7")).end == pytest.approx(3597.0, abs=1.0)  # type: ignore[union-attr]


def test_file_of_a_reload_adds_its_bans(bench: Bench) -> None:
    bench.start()
    bench.ban("192.0.2.7")
    bench.keeper.stop()
    other = bench.path.parent / "other.json"
    bench.path.rename(other)
    bench.begin()
    bench.start()
    bench.ban("192.0.2.8")
    bench.keeper.follow(config.Bans(file=str(other)))
    assert bench.places == ["192.0.2.7", "192.0.2.8"]
    assert bench.written == ["192.0.2.8"]
    bench.path = other
    bench.advance(DELAY_SECONDS)
    assert bench.written == ["192.0.2.7", "192.0.2.8"]


def test_without_a_file_nothing_is_written(bench: Bench) -> None:
    bench.keeper.start(config.Bans())
    bench.ban("192.0.2.7")
    bench.advance(10.0)
    bench.keeper.stop()
    assert os.listdir(bench.path.parent) == []


def test_all_bans_come_in_pieces(bench: Bench) -> None:
    bench.keeper.start(config.Bans())
    for number in range(BANS_AT_ONCE + 1):
        bench.ban(f"10.0.{number // 256}.{number % 256}")
    assert [len(piece) for piece in bench.keeper.all()] == [BANS_AT_ONCE, 1]


def test_request_bans_an_address(bench: Bench) -> None:
    bench.keeper.start(config.Bans())
    bench.gate.ban(ADDRESS, 600.0, "rule office")
    assert bench.gate.banned(ADDRESS)
    (event,) = bench.logged("ban")
    assert event["log_format"].format(**event) == "192.0.2.7 is banned for 10m by rule: rule office"
    bench.gate.ban(ADDRESS, 600.0, "rule office")
    assert len(bench.logged("ban")) == 1


@pytest.mark.parametrize(
    ("address", "bits", "place"),
    [
        ("2001:db8::7", 64, "2001:db8::/64"),
        ("192.0.2.7", 24, "192.0.2.0/24"),
        ("::ffff:192.0.2.7", 120, "192.0.2.0/24"),
        ("2001:db8::7", None, "2001:db8::7"),
    ],
)
def test_request_bans_a_network(bench: Bench, address: str, bits: int | None, place: str) -> None:
    bench.keeper.start(config.Bans())
    bench.gate.ban(ip_address(address).packed, 600.0, "rule office", bits)
    assert bench.places == [place]


@pytest.mark.parametrize(
    "request_",
    [
        BanRequest(b"", 60.0, ""),
        BanRequest(ADDRESS, math.inf, ""),
        BanRequest(ADDRESS, math.nan, ""),
        BanRequest(ADDRESS, 60.0, "", 0),
        BanRequest(ADDRESS, 60.0, "", 33),
    ],
)
def test_request_that_makes_no_sense_is_dropped(bench: Bench, request_: BanRequest) -> None:
    bench.keeper.start(config.Bans())
    bench.keeper.take(request_)
    assert bench.places == []


def test_ban_has_a_longest_time(bench: Bench) -> None:
    bench.keeper.start(config.Bans())
    bench.gate.ban(ADDRESS, 1e15, "rule")
    (made,) = bench.keeper.bans
    assert made.end == LONGEST_SECONDS


def test_flood_of_bans_is_summed_up_in_the_log(bench: Bench) -> None:
    bench.keeper.start(config.Bans())
    for number in range(100):
        bench.gate.ban(bytes([192, 0, 2, number]), 600.0, "rule office")
    assert len(bench.logged("ban")) == 20
    bench.advance(11.0)
    (event,) = bench.logged("ban-sum")
    assert event["count"] == 80


def test_rules_that_have_made_the_most_bans_are_reported_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANS", 20)
    bench.keeper.start(config.Bans())
    for number in range(50):
        bench.gate.ban(bytes([192, 0, 2, number]), 5.0, "rule office")
    (event,) = bench.logged("bans-full")
    assert event["most"] == len(bench.keeper.bans) == 10
    bench.advance(10.0)
    for number in range(50):
        bench.gate.ban(bytes([192, 0, 2, number]), 5.0, "rule office")
    assert len(bench.logged("bans-full")) == 2


def test_too_many_bans_are_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANS", 1)
    bench.keeper.start(config.Bans())
    bench.keeper.ban(key("192.0.2.7"), "ctl", "spam", None)
    bench.gate.ban(bytes([192, 0, 2, 8]), 600.0, "rule office")
    assert bench.places == ["192.0.2.7"]
    event: Any = bench.logged("ban")[-1]
    assert event["log_format"].format(**event) == (
        "192.0.2.8 is not banned: there are 1 bans, the most; unban some first"
    )


def test_many_bans_that_end_at_once_are_removed_at_once(bench: Bench) -> None:
    bench.keeper.start(config.Bans())
    for number in range(MAX_AT_ONCE + 1):
        bench.ban(f"10.0.{number // 256}.{number % 256}", 5.0)
    bench.clock.advance(5.0)
    assert bench.places == []


def test_decisions_in_the_file_end_with_their_source(bench: Bench) -> None:
    bench.start()
    bench.keeper.bans.ban(ban("192.0.2.7", origin="crowdsec"), ban("192.0.2.8"))
    bench.keeper.stop()
    assert bench.written == ["192.0.2.7", "192.0.2.8"]
    bench.begin()
    bench.keeper.start(config.Bans())
    bench.keeper.follow(config.Bans(file=str(bench.path)))
    assert bench.places == ["192.0.2.8"]


def test_reload_without_crowdsec_ends_all_its_decisions(bench: Bench) -> None:
    settings = CrowdSecSettings(url="http://127.0.0.1:8080", key_file=str(bench.path.parent / "key"))
    bench.keeper.start(config.Bans(crowdsec=settings))
    decisions = [ban(f"10.0.{number // 256}.{number % 256}", origin="crowdsec") for number in range(BANS_AT_ONCE + 1)]
    bench.keeper.bans.ban(*decisions, ban("192.0.2.8"))
    bench.keeper.follow(config.Bans())
    bench.clock.advance(0.0)
    assert bench.places == ["192.0.2.8"]
    assert bench.keeper.crowdsec_failures is None
