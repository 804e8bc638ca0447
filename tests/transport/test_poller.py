"""The poller alone, and inside Twisted's reactors."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.selectreactor import SelectReactor
from twisted.logger import LogEvent, capturedLogs

from mailproxy.transport.poller import BYTES, END, READ, WRITE, Poller
from tests.transport.reactors import ClosingEPollReactor, ClosingSelectReactor
from tests.transport.relay import is_ready, tcp_pair


@pytest.fixture
def poller() -> Iterator[Poller]:
    made = Poller()
    yield made
    made.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


Ends = tuple[socket.socket, socket.socket]


def never(events: int) -> None:
    pytest.fail("no callback was expected")


def test_callable_is_called_for_bytes(poller: Poller, ends: Ends) -> None:
    received: list[int] = []
    poller.add(ends[0].fileno(), received.append, READ)
    ends[1].send(b"x")
    poller.poll(0)
    assert received == [BYTES]


def test_event_comes_back_until_it_is_dealt_with(poller: Poller, ends: Ends) -> None:
    received: list[int] = []
    poller.add(ends[0].fileno(), received.append, READ)
    ends[1].send(b"x")
    poller.poll(0)
    poller.poll(0)
    ends[0].recv(1)
    poller.poll(0)
    assert received == [BYTES, BYTES]


def test_end_is_reported_together_with_the_bytes_before_it(poller: Poller) -> None:
    ours, theirs = tcp_pair()
    with ours, theirs:
        received: list[int] = []
        poller.add(ours.fileno(), received.append, READ)
        theirs.send(b"x")
        theirs.shutdown(socket.SHUT_WR)
        while received[-1:] != [BYTES | END]:
            poller.poll(5)


def test_changed_descriptor_is_watched_for_something_else(poller: Poller, ends: Ends) -> None:
    received: list[int] = []
    poller.add(ends[0].fileno(), received.append, READ)
    poller.change(ends[0].fileno(), WRITE)
    ends[1].send(b"x")
    poller.poll(0)
    assert received == [WRITE]


def test_paused_descriptor_is_not_even_watched_for_a_hang_up(poller: Poller, ends: Ends) -> None:
    received: list[int] = []
    poller.add(ends[0].fileno(), received.append, READ)
    poller.pause(ends[0].fileno())
    ends[1].close()
    poller.poll(0)
    assert received == []
    poller.resume(ends[0].fileno(), READ)
    poller.poll(0)
    assert len(received) == 1


def test_closed_descriptor_is_silent(poller: Poller, ends: Ends) -> None:
    poller.add(ends[0].fileno(), never, READ)
    ends[1].send(b"x")
    poller.remove(ends[0].fileno())
    ends[0].close()
    poller.poll(0)
    assert poller.ready == {}


def test_connection_that_is_closed_by_an_earlier_event_gets_nothing_more(poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    received: list[int] = []

    def close_the_other(mine: int, events: int) -> None:
        received.append(mine)
        other = pairs[1 - mine][0]
        poller.remove(other.fileno())
        other.close()

    for number, (ours, theirs) in enumerate(pairs):
        poller.add(ours.fileno(), partial(close_the_other, number), READ)
        theirs.send(b"x")
    poller.poll(0)
    assert len(received) == 1
    for sock in (sock for pair in pairs for sock in pair):
        sock.close()


def test_time_is_that_of_the_last_events() -> None:
    times = iter([1.0, 2.0, 3.0])
    poller = Poller(times.__next__)
    assert poller.now == 1.0
    poller.poll(0)
    assert poller.now == 2.0
    assert poller.look_at_clock() == poller.now == 3.0
    poller.close()


class Connection:
    """Something with a bug in it; it can be told of that, unless that has a bug, too."""

    def __init__(self, ours: socket.socket) -> None:
        self.ours = ours
        self.broken = 0

    def on_event(self, events: int) -> None:
        raise ZeroDivisionError("a bug")

    def fail(self) -> None:
        raise ZeroDivisionError("a bug")

    def broke(self) -> None:
        self.broken += 1


class HopelessConnection(Connection):
    def broke(self) -> None:
        raise ZeroDivisionError("another bug")


def bugs(events: Sequence[LogEvent]) -> int:
    return sum("log_failure" in event for event in events)


def test_bug_is_logged_and_reported_to_the_owner_of_the_method(poller: Poller, ends: Ends) -> None:
    connection = Connection(ends[0])
    poller.add(ends[0].fileno(), connection.on_event, READ)
    ends[1].send(b"x")
    with capturedLogs() as events:
        poller.poll(0)
    assert connection.broken == 1
    assert bugs(events) == 1


@pytest.mark.parametrize("kind", ["function", "method"])
def test_bug_without_an_owner_silences_the_descriptor(poller: Poller, ends: Ends, kind: str) -> None:
    def on_event(events: int) -> None:
        raise ZeroDivisionError("a bug")

    hopeless = HopelessConnection(ends[0])
    poller.add(ends[0].fileno(), on_event if kind == "function" else hopeless.on_event, READ)
    ends[1].send(b"x")
    with capturedLogs() as events:
        poller.poll(0)
    assert bugs(events) == (1 if kind == "function" else 2)
    assert not is_ready(poller)


def test_bug_does_not_keep_events_from_others(poller: Poller) -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    received: list[int] = []
    for number, (ours, theirs) in enumerate(pairs):
        ready = HopelessConnection(ours).on_event if number == 1 else received.append
        poller.add(ours.fileno(), ready, READ)
        theirs.send(b"x")
    with capturedLogs():
        poller.poll(0)
    assert received == [BYTES, BYTES]
    for sock in (sock for pair in pairs for sock in pair):
        sock.close()


# What is put off to the end of a batch.


class Batch:
    """Connections with bytes to read; the first one that is told of them puts calls off."""

    def __init__(self, poller: Poller, size: int, calls: Sequence[Callable[[], object]]) -> None:
        self.poller = poller
        self.events: list[int] = []
        self._calls = calls
        self._pairs = [socket.socketpair() for _ in range(size)]
        for ours, theirs in self._pairs:
            poller.add(ours.fileno(), self._on_event, READ)
            theirs.send(b"x")

    def _on_event(self, events: int) -> None:
        self.events.append(events)
        if len(self.events) == 1:
            for call in self._calls:
                self.poller.at_end(call)

    def close(self) -> None:
        for sock in (sock for pair in self._pairs for sock in pair):
            self.poller.remove(sock.fileno())
            sock.close()


def test_call_comes_after_all_events_of_the_batch_and_only_once(poller: Poller) -> None:
    seen: list[int] = []
    batch = Batch(poller, 3, [lambda: seen.append(len(batch.events))])
    poller.poll(0)
    assert seen == [3]
    poller.poll(0)
    assert seen == [3]
    batch.close()


def test_call_comes_at_once_if_nothing_else_has_happened(poller: Poller) -> None:
    seen: list[int] = []
    batch = Batch(poller, 1, [lambda: seen.append(1), lambda: seen.append(2)])
    poller.poll(0)
    assert seen == [1, 2]
    batch.close()


def test_call_comes_at_once_between_two_batches(poller: Poller) -> None:
    batch = Batch(poller, 2, [])
    poller.poll(0)
    seen: list[int] = []
    poller.at_end(lambda: seen.append(1))
    assert seen == [1]
    batch.close()


def test_last_call_may_add_another(poller: Poller) -> None:
    seen: list[int] = []
    batch = Batch(poller, 2, [lambda: poller.at_end(lambda: seen.append(1))])
    poller.poll(0)
    assert seen == [1]
    batch.close()


def test_bug_in_a_call_is_reported_to_its_owner_and_keeps_nothing_from_others(poller: Poller, ends: Ends) -> None:
    seen: list[int] = []
    connection = Connection(ends[0])
    batch = Batch(poller, 2, [partial(connection.on_event, 0), connection.fail, lambda: seen.append(1)])
    with capturedLogs() as events:
        poller.poll(0)
    assert (connection.broken, seen, bugs(events)) == (1, [1], 2)
    batch.close()


@pytest.fixture(params=[ClosingSelectReactor, ClosingEPollReactor])
def reactor(request: pytest.FixtureRequest) -> Iterator[SelectReactor | EPollReactor]:
    made = request.param()
    yield made
    made.close()


def test_any_reactor_polls_the_poller(poller: Poller, ends: Ends, reactor: SelectReactor | EPollReactor) -> None:
    received: list[int] = []
    poller.add(ends[0].fileno(), received.append, READ)
    assert IReactorFDSet.providedBy(reactor)
    poller.attach(reactor)
    ends[1].send(b"x")
    reactor.doIteration(5)
    assert received == [BYTES]


def test_detached_poller_is_left_alone(poller: Poller, ends: Ends, reactor: SelectReactor | EPollReactor) -> None:
    poller.add(ends[0].fileno(), never, READ)
    poller.attach(reactor)
    poller.detach(reactor)
    ends[1].send(b"x")
    reactor.doIteration(0)
    assert poller not in reactor.getReaders()


def test_closed_poller_has_no_descriptor() -> None:
    poller = Poller()
    descriptor = poller.fileno()
    poller.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
