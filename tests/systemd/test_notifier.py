"""Messages on their way to systemd."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mailproxy.systemd.notifier import MAX_WAITING, RETRY_SECONDS, Notifier


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name if request.param == "path" else f"\0{name}")
        sock.setblocking(False)
        yield sock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notifier(systemd: socket.socket, clock: Clock) -> Iterator[Notifier]:
    name = systemd.getsockname()
    made = Notifier(name if isinstance(name, bytes) else name.encode(), clock)
    yield made
    made.close()


def everything(systemd: socket.socket) -> list[bytes]:
    """What has arrived."""
    found = []
    while True:
        try:
            found.append(systemd.recv(4096))
        except BlockingIOError:
            return found


def test_message_arrives(notifier: Notifier, systemd: socket.socket) -> None:
    notifier.send(b"READY=1")
    assert everything(systemd) == [b"READY=1"]


def test_descriptor_goes_along_and_stays_open(notifier: Notifier, systemd: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        notifier.send(b"FDSTORE=1", sock.fileno())
        data, (descriptor,), _, _ = socket.recv_fds(systemd, 100, 2)
        assert data == b"FDSTORE=1"
        with socket.socket(fileno=descriptor) as received:
            assert received.getsockname() == sock.getsockname()


def test_messages_wait_for_room_in_their_order(notifier: Notifier, systemd: socket.socket, clock: Clock) -> None:
    sent = [b"%d" % number for number in range(2000)]
    for one in sent:
        notifier.send(one)
    arrived = everything(systemd)
    assert arrived == sent[: len(arrived)]
    assert len(arrived) < len(sent)
    while len(arrived) < len(sent):
        clock.advance(RETRY_SECONDS)
        arrived += everything(systemd)
    assert arrived == sent


def test_descriptor_that_is_closed_meanwhile_is_sent(notifier: Notifier, systemd: socket.socket, clock: Clock) -> None:
    number = 0
    while not clock.getDelayedCalls():
        notifier.send(b"%d" % number)
        number += 1
    with socket.create_server(("127.0.0.1", 0)) as sock:
        notifier.send(b"FDSTORE=1", sock.fileno())
    everything(systemd)
    clock.advance(RETRY_SECONDS)
    while True:
        data, descriptors, _, _ = socket.recv_fds(systemd, 100, 2)
        if data == b"FDSTORE=1":
            break
    assert len(descriptors) == 1
    os.close(descriptors[0])


def test_what_waits_is_bounded(notifier: Notifier, systemd: socket.socket, clock: Clock) -> None:
    for _ in range(2 * MAX_WAITING):
        notifier.send(b"STATUS=x")
    count = 0
    while found := everything(systemd):
        count += len(found)
        clock.advance(RETRY_SECONDS)
    assert MAX_WAITING <= count < 2 * MAX_WAITING


def test_nobody_there_is_one_warning(clock: Clock, tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "nobody").encode(), clock)
    with capturedLogs() as events:
        notifier.send(b"READY=1")
        notifier.send(b"WATCHDOG=1")
    notifier.close()
    assert [event["reason"] for event in events] == ["[Errno 2] No such file or directory"]


def test_nothing_is_sent_after_the_end(notifier: Notifier, systemd: socket.socket, clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        while not clock.getDelayedCalls():
            notifier.send(b"FDSTORE=1", sock.fileno())
    notifier.close()
    assert clock.getDelayedCalls() == []
