"""Live events, and watchers that do not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.logger import ILogObserver, Logger, LogPublisher

from mailproxy.control.backlog import WAITING_BYTES
from mailproxy.control.watch import Watch, Watcher


class Publisher(LogPublisher):
    """A log that counts its observers."""

    def __init__(self) -> None:
        super().__init__()
        self.observers = 0

    def addObserver(self, observer: ILogObserver) -> None:
        self.observers += 1
        super().addObserver(observer)

    def removeObserver(self, observer: ILogObserver) -> None:
        self.observers -= 1
        super().removeObserver(observer)


class Bench:
    """A log, and a watcher of it."""

    def __init__(self, events: str = "all") -> None:
        self.publisher = Publisher()
        self.log = Logger(namespace="mailproxy", observer=self.publisher)
        self.watch = Watch(self.publisher)
        self.written: list[dict[str, Any]] = []
        self.then: Callable[[], object] = lambda: None
        """What follows from each line that is written."""
        self.watcher = Watcher(events, self.write)
        self.watch.join(self.watcher)

    def write(self, line: bytes) -> None:
        self.written.append(json.loads(line))
        self.then()


def test_event_is_reported_as_the_log_has_it() -> None:
    bench = Bench()
    bench.log.warn("server {server} is DOWN", event="server", server="d1")
    (event,) = bench.written
    assert event.pop("time").endswith("Z")
    assert event == {
        "type": "event",
        "level": "warn",
        "event": "server",
        "message": "server d1 is DOWN",
        "server": "d1",
    }


@pytest.mark.parametrize(
    ("events", "reported"),
    [
        ("all", ["session-begin", "session", "server", "ready"]),
        ("sessions", ["session-begin", "session"]),
        ("servers", ["server"]),
        ("service", ["server", "ready"]),
    ],
)
def test_what_is_not_wanted_is_not_reported(events: str, reported: list[str]) -> None:
    bench = Bench(events)
    for kind in ("session-begin", "session", "server", "ready"):
        bench.log.info("x", event=kind)
    assert [event["event"] for event in bench.written] == reported


def test_sessions_are_asked_for_while_a_watcher_wants_them() -> None:
    wanted: list[bool] = []
    watch = Watch(Publisher(), wanted.append)
    service, everything = Watcher("service", lambda line: None), Watcher("all", lambda line: None)
    watch.join(service)
    watch.join(everything)
    watch.leave(everything)
    watch.leave(service)
    assert wanted == [False, True, False, False]


def test_other_people_s_events_are_not_reported() -> None:
    bench = Bench()
    Logger(namespace="twisted", observer=bench.publisher).info("x")
    assert bench.written == []


def test_log_has_no_observer_while_nobody_watches() -> None:
    bench = Bench()
    assert (len(bench.watch), bench.publisher.observers) == (1, 1)
    bench.watch.leave(bench.watcher)
    assert (len(bench.watch), bench.publisher.observers) == (0, 0)
    bench.log.info("x", event="ready")
    assert bench.written == []


def test_what_comes_while_nobody_reads_is_reported_later_in_order() -> None:
    bench = Bench()
    bench.watcher.pause()
    for number in range(3):
        bench.log.info("x", event="ready", number=number)
    assert bench.written == []
    bench.watcher.resume()
    bench.log.info("x", event="ready", number=3)
    assert [event["number"] for event in bench.written] == [0, 1, 2, 3]


def test_what_is_too_much_is_lost_and_counted() -> None:
    bench = Bench()
    bench.watcher.pause()
    filling = "x" * 1000
    count = 2 * WAITING_BYTES // 1000
    for number in range(count):
        bench.log.info("x", event="ready", number=number, filling=filling)
    bench.watcher.resume()
    *reported, lost = bench.written
    assert sum(len(json.dumps(event)) + 1 for event in reported) <= WAITING_BYTES
    assert [event["number"] for event in reported] == list(range(len(reported)))
    assert lost == {"type": "lost", "events": count - len(reported)}
    assert 0 < len(reported) < count
    bench.log.info("x", event="ready", number=-1)
    assert bench.written[-1]["number"] == -1


def test_short_event_after_a_lost_one_is_lost_too() -> None:
    bench = Bench()
    bench.watcher.pause()
    bench.log.info("x", event="ready", filling="x" * WAITING_BYTES)
    bench.log.info("x", event="ready")
    bench.watcher.resume()
    assert bench.written == [{"type": "lost", "events": 2}]


def test_pause_while_the_rest_is_written_keeps_it() -> None:
    bench = Bench()
    bench.watcher.pause()
    for number in range(3):
        bench.log.info("x", event="ready", number=number)
    bench.then = bench.watcher.pause
    bench.watcher.resume()
    assert len(bench.written) == 1
    bench.watcher.resume()
    bench.watcher.resume()
    assert [event["number"] for event in bench.written] == [0, 1, 2]
