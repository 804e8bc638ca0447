"""What is learned of a backend, and told."""

from __future__ import annotations

import pytest
from attrs import frozen
from twisted.logger import capturedLogs

from mailproxy.backend.backend import Backend
from mailproxy.checks.capability_monitor import CapabilityMonitor
from tests.checks.bench import Bench
from tests.checks.offering import OFFER, answer, backend_of


def test_learner_says_once_why_it_learns_nothing(bench: Bench, learner: Taught) -> None:
    with capturedLogs() as events:
        for _ in range(2):
            server = bench.accept(b"* BYE not for you\r\n")
            server.end()
            bench.advance(10.0)
    (event,) = [event for event in events if event.get("event") == "not-learned"]
    assert event["reason"] == "server s: greeting: expected * OK, got * BYE not for you"


def test_learner_warns_where_nobody_can_log_in(bench: Bench, learner: Taught) -> None:
    with capturedLogs() as events:
        answer(bench, b"IMAP4rev1 LOGINDISABLED")
        bench.until(lambda: learner.reported)
    (event,) = [event for event in events if event.get("event") == "advice"]
    assert event["advice"].startswith("refuses all logins (LOGINDISABLED): ")


@frozen
class Taught:
    """A learner that asks every 20 s: its backend, and what it has told."""

    backend: Backend
    reported: list[tuple[bytes, ...]]


@pytest.fixture
def learner(bench: Bench) -> Taught:
    reported: list[tuple[bytes, ...]] = []
    backend = backend_of(bench)
    made = CapabilityMonitor(
        backend,
        "imap",
        "me.example",
        with_tls=True,
        destination=None,
        interval=20.0,
        learned=reported.append,
        clock=bench.clock,
        poller=bench.poller,
        timeouts=bench.timeouts,
    )
    made.start()
    bench.at_the_end(made.stop)
    return Taught(backend, reported)


def test_learner_reports_once_what_stays_the_same(bench: Bench, learner: Taught) -> None:
    for _ in range(3):
        server, _ = answer(bench)
        bench.until(lambda server=server: server.fin)  # type: ignore[misc]  # mypy infers no type for a default
        bench.advance(20.0)
    answer(bench)
    assert learner.reported == [tuple(OFFER.split())]


def test_learner_asks_at_once_when_a_server_is_back(bench: Bench, learner: Taught) -> None:
    server, _ = answer(bench)
    bench.until(lambda: server.fin)
    learner.backend.pool.set_target(learner.backend.pool.servers[0], None, 0.0)
    learner.backend.pool.set_target(learner.backend.pool.servers[0], bench.target, 0.0)
    answer(bench, OFFER + b" NEW")
    bench.until(lambda: len(learner.reported) == 2)
    assert learner.reported[-1][-1] == b"NEW"


def test_learner_asks_nobody_whose_address_is_not_known(bench: Bench, learner: Taught) -> None:
    server, _ = answer(bench)
    bench.until(lambda: server.fin)
    learner.backend.pool.set_target(learner.backend.pool.servers[0], None, 0.0)
    bench.advance(20.0)
    assert len(bench.peers) == 1


def test_learner_asks_again_soon_while_it_knows_nothing(bench: Bench, learner: Taught) -> None:
    server = bench.accept(b"* BYE not now\r\n")
    bench.until(lambda: server.fin)
    assert learner.reported == []
    bench.advance(10.0)
    answer(bench)
    bench.until(lambda: learner.reported)
    assert learner.reported == [tuple(OFFER.split())]
