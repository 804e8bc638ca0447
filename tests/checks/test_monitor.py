"""The monitor of servers: checks, addresses, and log lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.numbers import SERVER
from mailproxy.backend.server import BackendServer
from mailproxy.checks.agent_words import read_words
from mailproxy.checks.monitor import Monitor
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.pace import Pace
from mailproxy.names.record import Record
from mailproxy.transport.outgoing import Target
from mailproxy.transport.poller import Poller

CHECK = config.Check(type="mail", inter=2.0, fastinter=1.0, jitter=0, rise=2, fall=2)
GOOD = Outcome(True, "greeted", 0.001)
BAD = Outcome(False, "greeting: expected * OK, got * BYE", 0.012)


class Runs:
    """Checks whose outcomes the test sets: each server's last run, by port."""

    def __init__(self) -> None:
        self.over: dict[int, Callable[[Outcome], Any]] = {}

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Runs:
        self.over[target.address[1]] = over
        return self

    def cancel(self) -> None:
        pass


class FakeNames:
    """DNS with answers from the test."""

    def __init__(self) -> None:
        self.answer: Callable[[tuple[Record, ...]], None] = lambda _: None
        self.is_stopped = False

    def follow(self, address: object, prefer: object, changed: Callable[[tuple[Record, ...]], None]) -> FakeNames:
        self.answer = changed
        return self

    def stop(self) -> None:
        self.is_stopped = True


class Bench:
    """One backend and its monitor."""

    def __init__(self, *servers: config.Server, **backend: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.poller = Poller(self.clock.seconds)
        self.names = FakeNames()
        self.runs = Runs()
        settings = config.Backend(name="pool", servers=servers, ports={"imap": 143}, **backend)
        self.backend = Backend(settings, "imap")
        self.pool = self.backend.pool
        self.monitor = Monitor(
            self.backend,
            lambda server: None if server.origin.settings.check.type == "none" else self.runs,
            self.names,
            clock=self.clock,
            poller=self.poller,
            pace=Pace(),
        )
        self.monitor.start()

    def server(self, name: str) -> BackendServer:
        return next(server for server in self.pool.servers if server.name == name)

    def is_up(self, name: str) -> bool:
        return self.server(name).is_up

    def check(self, port: int, *outcomes: Outcome) -> None:
        """Give the checks of the server at a port these outcomes, one after the other."""
        for outcome in outcomes:
            while port not in self.runs.over:
                self.clock.advance(0.25)
            self.runs.over.pop(port)(outcome)


def at(port: int, name: str = "d1", **keys: Any) -> config.Server:
    return config.Server(name=name, address=config.InetServer(ip_address("127.0.0.1"), port), **keys)


def checked(port: int, name: str = "d1", **keys: Any) -> config.Server:
    return at(port, name, check=CHECK, **keys)


@pytest.fixture(autouse=True)
def logged() -> Iterator[Sequence[Any]]:
    """The events of the log."""
    with capturedLogs() as events:
        yield events


def lines(logged: Sequence[Any]) -> list[str]:
    return [f"{event['log_level'].name} {formatEvent(event)}" for event in logged]


def test_checks_and_downtimes_are_counted() -> None:
    bench = Bench(checked(1))
    bench.check(1, GOOD, BAD, BAD, Outcome(True, "refused", 0.3, is_misconfigured=True))
    totals = SERVER.totals(bench.server("d1").numbers)
    assert totals.tables["checks"] == {"passed": 1, "failed": 2, "misconfigured": 1}
    assert totals.numbers["downtimes"] == 1
    times = totals.histograms["check_time"]
    assert sum(times.counts) == 4
    assert times.total_seconds == pytest.approx(0.325)


def test_server_that_fails_its_checks_goes_down_and_comes_back() -> None:
    bench = Bench(checked(1))
    bench.check(1, GOOD, BAD)
    assert bench.is_up("d1")
    bench.check(1, BAD)
    assert not bench.is_up("d1")
    bench.check(1, GOOD, GOOD)
    assert bench.is_up("d1")


def test_one_session_is_singular(logged: Sequence[Any]) -> None:
    bench = Bench(checked(1))
    bench.check(1, GOOD)
    assert bench.pool.pick(b"", [], bench.clock.seconds()) is not None
    bench.check(1, BAD, BAD, BAD)
    assert ", 1 session, 0 queued" in lines(logged)[0]


def test_change_is_one_line_with_reason_and_counts(logged: Sequence[Any]) -> None:
    bench = Bench(checked(1), checked(2, "d2"), at(3, "d3", backup=True))
    bench.check(1, GOOD, BAD, BAD, BAD)
    assert lines(logged) == [
        "warn server pool/d1 imap is DOWN: greeting: expected * OK, got * BYE, after 12 ms; "
        "1 active and 1 backup servers left, 0 sessions, 0 queued"
    ]
    (event,) = logged
    assert (event["event"], event["server"], event["state"], event["active"]) == ("server", "d1", "down", 1)


def test_last_server_that_goes_is_an_error(logged: Sequence[Any]) -> None:
    bench = Bench(checked(1))
    bench.check(1, GOOD, BAD, BAD)
    assert lines(logged)[-1].startswith("error backend pool imap has no server left: greeting: expected")


def test_check_that_is_wanted_now_comes_at_once_and_is_reported() -> None:
    bench = Bench(checked(1))
    bench.check(1, GOOD)
    reported: list[Outcome | None] = []
    assert bench.monitor.check_now(bench.server("d1"), reported.append) == ""
    assert bench.monitor.check_now(bench.server("d1"), reported.append) == ""
    assert reported == []
    bench.runs.over.pop(1)(BAD)
    assert reported == [BAD, BAD]
    bench.check(1, GOOD)
    assert len(reported) == 2


def test_check_that_is_wanted_now_never_comes_after_the_end() -> None:
    bench = Bench(checked(1))
    reported: list[Outcome | None] = []
    bench.monitor.check_now(bench.server("d1"), reported.append)
    bench.monitor.stop()
    assert reported == [None]


def test_server_that_is_not_checked_says_why_it_is_not_checked_now() -> None:
    bench = Bench(at(1), checked(2, "d2", state="maint"))
    reported: list[Outcome | None] = []
    assert "is not checked" in bench.monitor.check_now(bench.server("d1"), reported.append)
    assert "is in maintenance" in bench.monitor.check_now(bench.server("d2"), reported.append)
    bench.pool.set_target(bench.server("d2"), None, 0.0)
    bench.pool.set_state(bench.server("d2"), "ready", 0.0)
    assert "no address" in bench.monitor.check_now(bench.server("d2"), reported.append)
    assert bench.runs.over == {}
    assert reported == []


def test_server_without_checks_is_left_alone() -> None:
    bench = Bench(at(1))
    bench.clock.advance(100.0)
    assert bench.runs.over == {}


def test_sessions_that_fail_bring_the_next_check_soon() -> None:
    bench = Bench(checked(1, error_limit=1, on_error="fastinter"))
    bench.check(1, GOOD)
    bench.backend.failed(bench.server("d1"), 1000.0, "refused")
    bench.clock.advance(CHECK.fastinter or 0.0)
    assert 1 in bench.runs.over


def test_check_that_is_at_fault_itself_is_reported_once(logged: Sequence[Any]) -> None:
    bench = Bench(checked(1))
    refused = Outcome(True, "LOGIN: refused", 0.0, is_misconfigured=True)
    bench.check(1, GOOD, refused, refused, GOOD, GOOD)
    assert lines(logged) == [
        "warn server pool/d1 imap: the check is misconfigured, the server is not at fault: LOGIN: refused",
        "warn server pool/d1 imap: the check works again: greeted",
    ]
    assert bench.is_up("d1")


def replied(words: bytes) -> Outcome:
    reply = read_words(words)
    return Outcome(not reply.is_down, f"agent: {reply}", 0.0, agent=reply)


def test_agent_sets_weight_and_maxconn() -> None:
    bench = Bench(checked(1, weight=80))
    bench.check(1, replied(b"75% maxconn:30"))
    assert (bench.server("d1").share, bench.server("d1").places) == (60, 30)
    bench.check(1, replied(b"weight:300"))
    assert bench.server("d1").share == 256


def test_agent_drains_and_makes_ready() -> None:
    bench = Bench(checked(1))
    bench.check(1, replied(b"drain"))
    assert not bench.server("d1").is_usable
    bench.check(1, replied(b"ready"))
    assert bench.server("d1").is_usable


def test_agent_says_down() -> None:
    bench = Bench(checked(1))
    bench.check(1, replied(b"up"), replied(b"down"), replied(b"down"))
    assert not bench.is_up("d1")


def test_nothing_continues_after_the_stop() -> None:
    bench = Bench(
        checked(1, slowstart=10.0),
        config.Server(name="n", address=config.NamedServer("mail.example", 143)),
    )
    bench.check(1, GOOD, BAD, BAD, GOOD, GOOD)
    bench.monitor.stop()
    assert bench.clock.getDelayedCalls() == []
    assert bench.names.is_stopped


# Names.

NAMED = config.Server(name="d", address=config.NamedServer("mail.example"))
TEMPLATE = config.Server(name="d", address=config.NamedServer("mail.example"), count=2)


def record(last: int, port: int | None = None, **keys: Any) -> Record:
    return Record(ip_address(f"192.0.2.{last}"), port, **keys)


def places(bench: Bench) -> dict[str, str]:
    return {server.name: str(server.target) for server in bench.pool.servers}


def test_named_server_gets_nobody_until_there_is_an_answer() -> None:
    bench = Bench(NAMED)
    assert bench.pool.is_empty
    bench.names.answer((record(1),))
    assert places(bench) == {"d": "192.0.2.1:143"}
    assert not bench.pool.is_empty


def test_port_of_a_record_goes_before_the_backends() -> None:
    bench = Bench(NAMED)
    bench.names.answer((record(1, 10143),))
    assert places(bench) == {"d": "192.0.2.1:10143"}


def test_each_address_has_a_slot_of_its_own() -> None:
    bench = Bench(TEMPLATE)
    bench.names.answer((record(1), record(2), record(3)))
    assert places(bench) == {"d1": "192.0.2.1:143", "d2": "192.0.2.2:143"}


def test_address_that_vanishes_leaves_an_empty_slot(logged: Sequence[Any]) -> None:
    bench = Bench(TEMPLATE)
    bench.names.answer((record(1), record(2)))
    bench.names.answer((record(2),))
    assert places(bench) == {"d1": "None", "d2": "192.0.2.2:143"}
    assert lines(logged)[-1] == (
        "warn server pool/d1 imap has no address: according to DNS; 1 active and 0 backup servers left, "
        "0 sessions, 0 queued"
    )


def test_records_say_weight_and_who_is_a_backup() -> None:
    bench = Bench(TEMPLATE)
    bench.names.answer((record(1, weight=7), record(2, weight=9, backup=True)))
    first, second = bench.pool.servers
    assert (first.share, first.backup) == (7, False)
    assert (second.share, second.backup) == (9, True)
