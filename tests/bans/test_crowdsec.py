"""Polling the decisions of CrowdSec, with an API that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.logger import LogEvent, capturedLogs, formatEvent

from mailproxy.bans import bans as bans_module
from mailproxy.bans.bans import BANS_AT_ONCE, BanChange, Bans
from mailproxy.bans.crowdsec import LONGEST_PAUSE_SECONDS, CrowdSec
from mailproxy.bans.local_api import UnansweredError
from mailproxy.bans.rows import LONGEST_VALUE
from mailproxy.config.bans import CrowdSecSettings
from tests.bans.builders import ban
from tests.bans.test_decisions import answer, decision
from tests.control.bench import TURN_SECONDS, Turns

INTERVAL = 10.0


class Bench:
    """A bouncer, and the API that it asks."""

    def __init__(self, folder: Path, events: Sequence[LogEvent]) -> None:
        self.events = events
        self.clock = Turns()
        self.bans = Bans()
        self.changes: list[BanChange] = []
        self.bans.announce = self.changes.append
        self.key_file = folder / "key"
        self.key_file.write_text("secret\n")
        self.asked: list[tuple[str, bool]] = []
        self.answer: Callable[[], bytes] = lambda: answer()
        settings = CrowdSecSettings(url="http://127.0.0.1:8080", key_file=str(self.key_file), interval=INTERVAL)
        self.crowdsec = CrowdSec(settings, self.bans, self.clock, execute, self.clock.seconds, self)

    async def decisions(self, key: str, *, all: bool) -> bytes:
        self.asked.append((key, all))
        return self.answer()

    def answers(self, *new: Any, deleted: Any = ()) -> None:
        """Answer this to the requests that follow."""
        self.answer = lambda: answer(*new, deleted=deleted)

    def fail(self, reason: str = "Connection refused") -> None:
        def answer() -> bytes:
            raise UnansweredError(reason)

        self.answer = answer

    def advance(self, seconds: float) -> None:
        self.clock.pump([1.0] * round(seconds))

    @property
    def places(self) -> list[str]:
        return sorted(one.place for one in self.bans if one.origin == "crowdsec")

    def logged(self, event: str) -> list[LogEvent]:
        return [one for one in self.events if one.get("event") == event]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with capturedLogs() as events:
        made = Bench(tmp_path, events)
        yield made
        made.crowdsec.stop()
        assert made.clock.getDelayedCalls() == []
        assert [event["log_failure"] for event in events if "log_failure" in event] == []


def test_first_request_asks_for_all_and_later_ones_for_changes(bench: Bench) -> None:
    bench.answers(decision("192.0.2.7"), decision("192.0.2.8"))
    bench.crowdsec.start()
    bench.advance(1)
    assert bench.places == ["192.0.2.7", "192.0.2.8"]
    bench.answers(decision("192.0.2.9"), deleted=[decision("192.0.2.7", duration="-1s")])
    bench.advance(INTERVAL + 1)
    assert bench.places == ["192.0.2.8", "192.0.2.9"]
    assert bench.asked == [("secret", True), ("secret", False)]
    assert [event["total"] for event in bench.logged("crowdsec")] == [2, 2]


def test_requests_come_at_the_interval(bench: Bench) -> None:
    bench.crowdsec.start()
    bench.advance(10 * INTERVAL)
    assert len(bench.asked) == 11
    assert bench.logged("crowdsec") == []


def test_all_decisions_replace_those_from_before(bench: Bench) -> None:
    bench.bans.ban(ban("192.0.2.1", origin="crowdsec"), ban("192.0.2.2", origin="crowdsec"), ban("192.0.2.1"))
    bench.answers(decision("192.0.2.2"))
    bench.crowdsec.start()
    bench.advance(1)
    assert bench.places == ["192.0.2.2"]
    assert [one.place for one in bench.bans if one.origin == "ctl"] == ["192.0.2.1"]


def test_failure_is_reported_once_and_the_decisions_stay(bench: Bench) -> None:
    bench.answers(decision("192.0.2.7", duration="4h"))
    bench.crowdsec.start()
    bench.advance(1)
    bench.fail()
    bench.advance(1000)
    assert bench.places == ["192.0.2.7"]
    (event,) = bench.logged("crowdsec-failed")
    assert event["log_format"].format(**event) == (
        "crowdsec: http://127.0.0.1:8080: Connection refused; the decisions so far stay until they end"
    )


def test_failures_in_a_row_are_counted(bench: Bench) -> None:
    bench.fail()
    bench.crowdsec.start()
    bench.advance(3 * INTERVAL)
    assert bench.crowdsec.failures == 2
    bench.answers()
    bench.advance(LONGEST_PAUSE_SECONDS)
    assert bench.crowdsec.failures == 0


def test_pauses_after_failures_grow_to_a_limit(bench: Bench) -> None:
    bench.fail()
    bench.crowdsec.start()
    times = []
    for _ in range(4000):
        before = len(bench.asked)
        bench.clock.advance(1.0)
        if len(bench.asked) > before:
            times.append(bench.clock.seconds())
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:4] == [40.0, 80.0, 160.0, LONGEST_PAUSE_SECONDS]
    assert set(pauses[4:]) == {LONGEST_PAUSE_SECONDS}


def test_after_a_failure_all_decisions_are_asked_for_again(bench: Bench) -> None:
    bench.crowdsec.start()
    bench.advance(1)
    bench.fail()
    bench.advance(INTERVAL)
    bench.answers(decision("192.0.2.7"))
    bench.advance(2 * INTERVAL + 1)
    assert [all for _, all in bench.asked] == [True, False, True]
    assert bench.places == ["192.0.2.7"]
    assert len(bench.logged("crowdsec-answers")) == 1


def test_wrong_answer_is_a_failure(bench: Bench) -> None:
    bench.answer = lambda: b"<html>"
    bench.crowdsec.start()
    (event,) = bench.logged("crowdsec-failed")
    assert event["reason"] == "the answer is wrong: it is not the JSON of the API: no '{' at character 0"


def test_key_is_read_before_each_request(bench: Bench) -> None:
    bench.key_file.unlink()
    bench.crowdsec.start()
    (event,) = bench.logged("crowdsec-failed")
    assert event["reason"] == f"{bench.key_file}: cannot be read: No such file or directory"
    bench.key_file.write_text("another\n")
    bench.advance(2 * INTERVAL)
    assert bench.asked == [("another", True)]


def test_many_decisions_are_taken_over_some_at_a_time(bench: Bench) -> None:
    many = [decision(f"10.0.{number // 256}.{number % 256}") for number in range(3 * BANS_AT_ONCE)]
    bench.answers(*many)
    bench.crowdsec.start()
    assert len(bench.bans) == BANS_AT_ONCE
    bench.clock.advance(TURN_SECONDS)
    assert len(bench.bans) == 2 * BANS_AT_ONCE
    bench.clock.pump([TURN_SECONDS] * 2)
    assert len(bench.bans) == 3 * BANS_AT_ONCE
    assert {len(change.banned) for change in bench.changes} == {BANS_AT_ONCE}


def test_too_many_decisions_are_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANS", 1)
    bench.answers(decision("192.0.2.7"), decision("192.0.2.8"))
    bench.crowdsec.start()
    bench.advance(1)
    assert bench.places == ["192.0.2.7"]
    (event,) = bench.logged("crowdsec-failed")
    assert event["reason"] == "there are 1 bans, the most; unban some first"


def test_nothing_happens_after_the_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: Deferred[bytes] = Deferred()

    async def decisions(key: str, *, all: bool) -> bytes:
        return await waiting

    monkeypatch.setattr(bench, "decisions", decisions)
    bench.crowdsec.start()
    bench.crowdsec.stop()
    bench.advance(1000)
    assert bench.places == []
    assert bench.logged("crowdsec-failed") == []


def test_request_that_is_cancelled_is_no_failure_and_the_last_one(bench: Bench) -> None:
    def cancelled(waiting: Deferred[bytes]) -> None:
        waiting.errback(UnansweredError("CancelledError"))

    asked = 0

    async def decisions(key: str, *, all: bool) -> bytes:
        nonlocal asked
        asked += 1
        return await Deferred(cancelled)

    bench.decisions = decisions  # type: ignore[method-assign]  # an API that waits for ever
    bench.crowdsec.start()
    bench.crowdsec.stop()
    bench.advance(1000)
    assert asked == 1
    assert bench.logged("crowdsec-failed") == []


def test_decisions_that_cannot_be_read_are_skipped_with_one_warning(bench: Bench) -> None:
    others = decision("192.0.2.7", scenario="x" * LONGEST_VALUE), decision("::/0"), decision(type="captcha")
    bench.answers(decision("01.2.3.4"), *others, decision("192.0.2.8"))
    bench.crowdsec.start()
    bench.advance(1)
    assert bench.places == ["192.0.2.8"]
    assert bench.logged("crowdsec-failed") == []
    (warning,) = bench.logged("crowdsec-skipped")
    assert formatEvent(warning) == (
        'crowdsec: http://127.0.0.1:8080: a decision is skipped: its value is "01.2.3.4", needs an address or a '
        "network, without a zone; 3 skipped in all"
    )


def test_too_wide_decisions_are_skipped_with_one_warning(bench: Bench) -> None:
    bench.answers(*(decision(value, scope="Range") for value in ("0.0.0.0/0", "::/0", "192.0.2.0/24")))
    bench.crowdsec.start()
    bench.advance(1)
    assert bench.places == ["192.0.2.0/24"]
    (warning,) = bench.logged("crowdsec-skipped")
    assert formatEvent(warning) == (
        "crowdsec: http://127.0.0.1:8080: the decision about 0.0.0.0/0 is skipped, which holds more than a /8, the "
        "widest network that can be banned; 2 skipped in all"
    )
