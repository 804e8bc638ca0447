"""The newest events."""

from __future__ import annotations

import pytest
from twisted.logger import Logger, LogPublisher

from mailproxy.web.stats.newest import LONGEST, MOST, NewestEvents


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
    bench.sessions.info("of a module")
    bench.others.error("of another program")
    bench.sessions.error("a bug")
    assert bench.words == ["a bug"]


def test_memory_is_bounded(bench: Bench) -> None:
    for number in range(MOST + 5):
        bench.log.info("{number}" + "x" * LONGEST, number=number)
    assert len(bench.words) == MOST
    assert bench.words[0].startswith(f"{MOST + 4}x")
    assert {len(words) for words in bench.words} == {LONGEST}


def test_end(bench: Bench) -> None:
    bench.newest.stop()
    bench.log.info("later")
    assert bench.words == []
