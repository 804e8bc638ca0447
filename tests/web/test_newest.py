"""The newest events."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher, capturedLogs

from mailproxy.process.events import AllEvents, event_of
from mailproxy.session.sampling import INTERVAL_SECONDS, LINES_PER_SOURCE, Sampler
from mailproxy.web.stats.newest import LONGEST, MAX_EVENTS, NewestEvents


class Bench:
    """A log, and the newest events of it."""

    def __init__(self) -> None:
        publisher = LogPublisher()
        self.log = Logger(namespace="mailproxy", observer=publisher)
        self.sessions = Logger(namespace="mailproxy.session", observer=publisher)
        self.others = Logger(namespace="twisted", observer=publisher)
        self.newest = NewestEvents(publisher)
        self.newest.start()

    @property
    def words(self) -> list[str]:
        return [one.words for one in self.newest.kept]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_newest_is_first(bench: Bench) -> None:
    bench.log.info("server {server} is UP", event="server", server="d1")
    bench.log.warn("another")
    assert bench.words == ["another", "server d1 is UP"]
    assert [(one.level, one.kind) for one in bench.newest.kept] == [("warn", ""), ("info", "server")]


def test_sessions_and_details_are_left_out(bench: Bench) -> None:
    bench.log.debug("a detail")
    bench.sessions.warn("a session", event="session")
    bench.sessions.info("rejected", event="rejected")
    bench.sessions.info("of a module")
    bench.others.error("of another program")
    bench.sessions.error("a bug")
    assert bench.words == ["a bug"]


def test_memory_is_bounded(bench: Bench) -> None:
    for number in range(MAX_EVENTS + 5):
        bench.log.warn("{number}" + "x" * LONGEST, number=number)
    assert len(bench.words) == MAX_EVENTS
    assert bench.words[0].startswith(f"{MAX_EVENTS + 4}x")
    assert {len(words) for words in bench.words} == {LONGEST}


def test_event_of_a_class_is_kept_whatever_its_logger_is_called() -> None:
    """Twisted gives a logger in a class the name of the class."""
    publisher = LogPublisher()

    class Monitor:
        log = Logger(namespace="mailproxy", observer=publisher)

    Monitor.__module__ = "mailproxy.checks.monitor"
    newest = NewestEvents(publisher)
    newest.start()
    Monitor().log.info("server {server} is UP", event="server", server="d1")
    assert [one.words for one in newest.kept] == ["server d1 is UP"]


def test_sum_of_a_worker_is_an_event_as_well() -> None:
    watched: list[bool] = []
    workers = AllEvents(LogPublisher(), lambda is_on, sessions: watched.append(is_on))
    newest = NewestEvents(workers)
    newest.start()
    with capturedLogs() as events:
        clock = Clock()
        sampler = Sampler(clock)
        for _ in range(LINES_PER_SOURCE + 7):
            sampler.sample("imaps", "192.0.2.7", "source-rate")
        clock.advance(INTERVAL_SECONDS)
    workers.publish(event_of(events[-1]))
    assert [one.words for one in newest.kept] == [
        "frontend imaps: 7 more in 10 s, from at least one address: source-rate"
    ]
    newest.stop()
    assert watched == [True, False]


def test_nothing_is_kept_after_the_end(bench: Bench) -> None:
    bench.newest.stop()
    bench.log.warn("later")
    assert bench.words == []
