"""Bans that are too many of all addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent

from mailproxy.bans.breadth import LOOK_SECONDS, BanBreadth, BroadBans
from mailproxy.bans.gate import BanGate
from mailproxy.networks.network_set import NetworkSet
from tests.bans.builders import ban, key


class Bench:
    """The bans of a process, and what watches them; a thread's work is done at once, unless the thread `is_slow`."""

    def __init__(self, events: Sequence[LogEvent]) -> None:
        self.events = events
        self.gate = BanGate()
        self.clock = Clock()
        self.counts = 0
        self.is_slow = False
        self.work: Deferred[Any] = Deferred()
        self.breadth = BanBreadth(self.gate, self.clock, self._in_thread)
        self.breadth.start()

    def _in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        self.counts += 1
        self.work = Deferred()
        self.work.addCallback(lambda nothing: work())
        if not self.is_slow:
            self.work.callback(None)
        return self.work

    def ban(self, first: int, count: int, origin: str = "crowdsec") -> None:
        """Ban so many /8 networks."""
        for number in range(first, first + count):
            self.gate.table.put(ban(f"{number}.0.0.0/8", origin=origin))

    def look(self) -> BroadBans | None:
        self.clock.advance(LOOK_SECONDS)
        return self.breadth.finding

    @property
    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events if event.get("event") == "bans-broad"]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with capturedLogs() as events:
        made = Bench(events)
        yield made
        made.breadth.stop()


WORDS = "refuse 25 % of all IPv4 addresses (1090519040); `mailproxy ctl show bans` lists them, `unban` ends them"


def test_quarter_of_all_addresses_is_not_counted(bench: Bench) -> None:
    bench.ban(1, 64)
    assert (bench.look(), bench.counts, bench.lines) == (None, 0, [])


def test_more_is_found_and_logged_once(bench: Bench) -> None:
    bench.ban(1, 65)
    for _ in range(3):
        assert bench.look() == BroadBans("bans by crowdsec", WORDS)
    assert bench.lines == [f"bans by crowdsec {WORDS}"]
    assert bench.counts == 1


def test_further_bans_are_found_without_a_second_line(bench: Bench) -> None:
    bench.ban(1, 65)
    bench.look()
    bench.ban(66, 64)
    found = bench.look()
    assert found is not None
    assert found.problem.startswith("refuse 50 % of all IPv4 addresses")
    assert (bench.counts, len(bench.lines)) == (2, 1)


def test_bans_that_end_while_they_are_counted_are_no_finding(bench: Bench) -> None:
    bench.ban(1, 65)
    bench.is_slow = True
    bench.look()
    bench.gate.table.remove(key("1.0.0.0/8"))
    bench.look()
    bench.work.callback(None)
    assert (bench.breadth.finding, bench.lines) == (None, [])


def test_origin_of_most_is_named_first(bench: Bench) -> None:
    bench.ban(1, 20, "fail2ban")
    bench.ban(100, 45)
    bench.gate.table.put(ban("2001:db8::/32", origin="ctl"))
    assert bench.look() == BroadBans("bans by crowdsec, fail2ban, ctl", WORDS)


def test_networks_within_others_are_counted_once(bench: Bench) -> None:
    bench.ban(1, 64)
    for number in range(100):
        bench.gate.table.put(ban(f"1.{number}.0.0/16"))
    assert (bench.look(), bench.counts) == (None, 1)


def test_exempt_networks_do_not_count(bench: Bench) -> None:
    bench.ban(1, 65)
    bench.gate.exempt = NetworkSet.of([ip_network("1.0.0.0/8")])
    assert bench.look() is None
    bench.gate.exempt = NetworkSet()
    assert bench.look() == BroadBans("bans by crowdsec", WORDS)


def test_finding_ends_with_the_bans(bench: Bench) -> None:
    bench.ban(1, 65)
    bench.look()
    bench.gate.table.remove(key("1.0.0.0/8"))
    assert bench.look() is None
    bench.ban(1, 1)
    bench.look()
    assert len(bench.lines) == 2


def test_bug_in_the_count_is_logged(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ban(1, 65)
    monkeypatch.setattr(bench.gate, "exempt", None)
    assert bench.look() is None
    (failure,) = [event for event in bench.events if "log_failure" in event]
    assert "bug in the count" in formatEvent(failure)
