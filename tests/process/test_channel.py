"""Messages between processes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from twisted.logger import capturedLogs

from mailproxy.front.gentle_stop import StopTimes
from mailproxy.names.record import Record
from mailproxy.process.channel import Channel
from mailproxy.process.message import Answer, ServerUpdate, Stop
from mailproxy.transport.poller import Poller

UPDATE = ServerUpdate(
    backend="b",
    protocol="imap",
    server="d1",
    is_up=True,
    has_errors=False,
    state="ready",
    agent_state="ready",
    weight=100.0,
    maxconn=0,
    backup=False,
    record=Record(ip_address("192.0.2.1"), 143),
    is_somewhere=True,
    ramp_began=None,
    reason="",
)


class Pair:
    """Two ends on one poller; the second does not trust the first."""

    def __init__(self) -> None:
        self.poller = Poller()
        self.received: list[tuple[Any, list[int]]] = []
        self.lost: list[str] = []
        self.raw, other = socket.socketpair()
        self.one, sock = socket.socketpair()
        other.close()
        self.left = Channel(self.one, self.poller, self._hear, lambda: self.lost.append("left"), is_trusted=True)
        self.right = Channel(sock, self.poller, self._hear, lambda: self.lost.append("right"), is_trusted=False)

    def _hear(self, message: Any, descriptors: list[int]) -> None:
        self.received.append((message, descriptors))

    def settle(self) -> None:
        self.poller.poll(0)
        while self.poller.batch:
            self.poller.poll(0)

    def close(self) -> None:
        self.left.close()
        self.right.close()
        self.raw.close()
        self.poller.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_messages_come_in_order(pair: Pair) -> None:
    for number in range(100):
        pair.left.send(Answer(number, "x" * number))
    pair.settle()
    assert [message.number for message, _ in pair.received] == list(range(100))


def test_message_may_be_larger_than_the_socket_takes(pair: Pair) -> None:
    pair.left.send(Answer(1, "x" * 3_000_000))
    pair.left.send(UPDATE)
    pair.settle()
    assert len(pair.received[0][0].value) == 3_000_000
    assert pair.received[1][0] == UPDATE


def test_descriptors_come_with_their_message(pair: Pair) -> None:
    ends = [os.pipe() for _ in range(300)]
    readers, writers = zip(*ends, strict=True)
    pair.left.send(Stop(StopTimes(hard=1.0)))
    pair.left.send(UPDATE, writers)
    for writer in writers:
        os.close(writer)
    pair.settle()
    (_, none), (_, came) = pair.received
    assert (none, len(came)) == ([], 300)
    for number, descriptor in enumerate(came):
        os.write(descriptor, str(number).encode())
        os.close(descriptor)
    for number, reader in enumerate(readers):
        assert os.read(reader, 10) == str(number).encode()
        os.close(reader)


def test_end_of_the_other_side_is_reported_once_and_last(pair: Pair) -> None:
    pair.left.send(UPDATE)
    pair.left.close()
    pair.settle()
    assert len(pair.received) == 1
    assert pair.lost == ["right"]


def test_nothing_is_sent_to_one_that_has_ended(pair: Pair) -> None:
    pair.right.close()
    pair.left.send(UPDATE)
    assert pair.lost == []  # who sends is in the middle of something
    pair.settle()
    assert pair.lost == ["left"]
    pair.left.send(UPDATE)


def test_value_that_is_not_allowed_ends_the_channel(pair: Pair) -> None:
    with capturedLogs() as events:
        pair.left.send(Answer(1, os.system))
        pair.settle()
    assert pair.lost == ["right", "left"]
    assert pair.received == []
    assert [event["log_level"].name for event in events] == ["critical"]


def test_bug_in_taking_a_message_does_not_cost_the_next_one(pair: Pair) -> None:
    received: list[Any] = []

    def take(message: Any, descriptors: list[int]) -> None:
        received.append(message)
        raise RuntimeError("bug")

    one, other = socket.socketpair()
    sender = Channel(one, pair.poller, take, lambda: None, is_trusted=True)
    taker = Channel(other, pair.poller, take, lambda: None, is_trusted=True)
    with capturedLogs() as events:
        sender.send(Answer(1, None))
        sender.send(Answer(2, None))
        pair.settle()
    assert [message.number for message in received] == [1, 2]
    assert len(events) == 2
    sender.close()
    taker.close()
