"""The keys of session tickets change once a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent

from mailproxy.front.process_state import ProcessState
from mailproxy.front.ticket_keys import CHANGE_SECONDS, TicketKeyChanges
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.stock import Stock
from tests.tls.connect import Connect
from tests.tls.test_servers import get
from tests.transport.peers import client_context


@pytest.fixture
def logged() -> Iterator[Sequence[LogEvent]]:
    """What is logged."""
    with capturedLogs() as events:
        yield events


def changes(stock: Stock | None) -> tuple[Clock, TlsServers, list[str], TicketKeyChanges]:
    """Changes that have begun, on a clock that the test turns."""
    clock, tls, reported = Clock(), TlsServers(stock), list[str]()
    made = TicketKeyChanges(ProcessState(tls=tls), clock)
    made.announce = lambda: reported.append("changed")
    made.start()
    return clock, tls, reported, made


@pytest.mark.parametrize("stock", [None, Stock(8)], ids=["one process", "workers"])
def test_tickets_of_the_day_before_are_worth_nothing(connect: Connect, stock: Stock | None) -> None:
    clock, tls, reported, _ = changes(stock)
    server, context = get(tls), client_context()
    first = connect(server, context)
    assert connect(server, context, session=first.client.tls.session).facts.resumed
    clock.advance(CHANGE_SECONDS)
    later = connect(server, context, session=first.client.tls.session)
    assert not later.facts.resumed
    assert connect(server, context, session=later.client.tls.session).facts.resumed
    assert reported == ["changed"]


def test_other_process_takes_the_same_keys(connect: Connect) -> None:
    stock = Stock(8)
    clock, tls, _, _ = changes(stock)
    other = TlsServers(stock)
    get(tls)
    other.follow(tls.numbers)
    server = get(other)
    clock.advance(CHANGE_SECONDS)
    other.take_keys(tls.numbers)
    context = client_context()
    first = connect(get(tls), context)
    assert connect(server, context, session=first.client.tls.session).facts.resumed


def test_keys_that_are_used_up_are_reported_once(connect: Connect, logged: Sequence[LogEvent]) -> None:
    clock, tls, reported, _ = changes(Stock(2))
    server, context = get(tls), client_context()
    clock.advance(CHANGE_SECONDS)
    first = connect(server, context)
    for _ in range(3):
        clock.advance(CHANGE_SECONDS)
    assert connect(server, context, session=first.client.tls.session).facts.resumed
    assert reported == ["changed"]
    (event,) = [event for event in logged if event.get("event") == "ticket-keys"]
    assert "restart mailproxy" in formatEvent(event)


def test_changed_profile_without_keys_of_the_stock_is_reported_once(logged: Sequence[LogEvent]) -> None:
    _, tls, _, made = changes(Stock(2))
    for version in ("1.2", "1.3"):
        get(tls, min_version=version)
        made.follow()
    assert not [event for event in logged if event.get("event") == "ticket-keys"]
    for version in ("1.2", "1.3"):
        get(tls, min_version=version)
        made.follow()
    (event,) = [event for event in logged if event.get("event") == "ticket-keys"]
    assert "only in the same worker; restart mailproxy" in formatEvent(event)


def test_one_process_makes_its_keys_itself(logged: Sequence[LogEvent]) -> None:
    _, tls, _, made = changes(None)
    get(tls)
    made.follow()
    assert not [event for event in logged if event.get("event") == "ticket-keys"]


def test_nothing_changes_after_the_stop() -> None:
    clock, _, _, made = changes(None)
    made.stop()
    assert clock.getDelayedCalls() == []
