"""Accepting from listening sockets: paused, out of descriptors, stopped."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mailproxy.transport.binding import bind_inet
from mailproxy.transport.bound import Bound
from mailproxy.transport.listener import ACCEPTS_PER_TURN, EXHAUSTED_PAUSE_SECONDS, TURNS_IN_A_ROW, Listener
from mailproxy.transport.poller import WRITE, Poller
from tests.transport.relay import is_ready

Accept = Callable[[], tuple[int, object]]


class Bench:
    """A listener, and what it accepted."""

    def __init__(self, bound: Bound, accept: Accept | None = None) -> None:
        self.poller = Poller()
        self.clock = Clock()
        self.accepted: list[tuple[socket.SocketType, object]] = []
        self.listener = Listener(bound, lambda *accepted: self.take(*accepted), accept)
        self.clients: list[socket.socket] = []

    def take(self, sock: socket.SocketType, address: object, listener: Listener) -> None:
        assert listener is self.listener
        self.accepted.append((sock, address))

    def start(self) -> None:
        self.listener.start(self.poller, self.clock)

    def connect(self) -> socket.socket:
        """Connect a client; the kernel takes it into its queue at once."""
        listening = self.listener.socket
        client = socket.socket(listening.family)
        client.connect(listening.getsockname())
        self.clients.append(client)
        return client

    def poll(self, turns: int = 3) -> int:
        """Run some turns; return the number of accepted clients so far."""
        for _ in range(turns):
            self.poller.poll(0)
        return len(self.accepted)

    def close(self) -> None:
        self.listener.stop()
        self.listener.bound.close()
        for sock in (*self.clients, *(sock for sock, _ in self.accepted)):
            sock.close()
        self.poller.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def bench(bound: Bound, accept: Accept | None = None) -> Bench:
        made.append(Bench(bound, accept))
        return made[-1]

    yield bench
    for one in made:
        one.close()


Make = Callable[..., Bench]


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(bind_inet(socket.AF_INET, "127.0.0.1", 0))


def test_clients_are_accepted_with_their_address(bench: Bench) -> None:
    bench.start()
    client = bench.connect()
    assert bench.poll() == 1
    sock, address = bench.accepted[0]
    assert address == client.getsockname() == sock.getpeername()


def test_accepted_sockets_do_not_block(bench: Bench) -> None:
    bench.start()
    bench.connect()
    bench.poll()
    assert bench.accepted[0][0].gettimeout() == 0


def test_accepted_sockets_do_not_wait_to_send_little(bench: Bench) -> None:
    bench.start()
    bench.connect()
    bench.poll()
    assert bench.accepted[0][0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_python_still_has_what_accepting_stands_on() -> None:
    """A new Python may have renamed this private method: `Listener` has to follow."""
    with socket.socket() as sock:
        assert callable(getattr(sock, "_accept", None)), "socket.socket has no _accept any more"


def test_one_client_is_accepted_in_a_turn_without_other_events(bench: Bench) -> None:
    bench.start()
    for _ in range(3):
        bench.connect()
    assert bench.poll(turns=1) == 1
    assert bench.poll(turns=2) == 3


@pytest.fixture
def busy(bench: Bench) -> Iterator[list[socket.socket]]:
    """Sockets that have an event each turn."""
    pairs = [socket.socketpair() for _ in range(2 * ACCEPTS_PER_TURN)]
    for ours, _ in pairs:
        bench.poller.add(ours.fileno(), lambda events: None, WRITE)
    yield [ours for ours, _ in pairs]
    for pair in pairs:
        for end in pair:
            end.close()


def test_busy_turn_accepts_several(bench: Bench, busy: list[socket.socket]) -> None:
    bench.start()
    for _ in range(ACCEPTS_PER_TURN + 2):
        bench.connect()
    assert bench.poll(turns=1) == ACCEPTS_PER_TURN
    assert bench.poll(turns=1) == ACCEPTS_PER_TURN + 2


def test_client_that_is_the_last_for_now_ends_the_turn(bench: Bench, busy: list[socket.socket]) -> None:
    take = bench.take

    def take_and_pause(sock: socket.SocketType, address: object, listener: Listener) -> None:
        take(sock, address, listener)
        listener.pause("full")

    bench.take = take_and_pause  # type: ignore[method-assign]  # the listener asks the bench
    bench.start()
    bench.connect()
    bench.connect()
    assert bench.poll() == 1
    bench.listener.resume("full")
    assert bench.poll() == 2


def test_nobody_is_accepted_before_the_start(bench: Bench) -> None:
    bench.connect()
    assert bench.poll() == 0


def test_paused_listener_leaves_clients_in_the_queue(bench: Bench) -> None:
    bench.start()
    bench.listener.pause("full")
    bench.connect()
    assert bench.poll() == 0
    assert not is_ready(bench.poller)
    bench.listener.resume("full")
    assert bench.poll() == 1


def test_listener_waits_until_every_reason_has_gone(bench: Bench) -> None:
    bench.start()
    bench.listener.pause("full")
    bench.listener.pause("exhausted")
    bench.listener.pause("full")
    bench.connect()
    bench.listener.resume("full")
    assert bench.poll() == 0
    bench.listener.resume("exhausted")
    assert bench.poll() == 1


def test_reason_that_is_not_there_cannot_be_taken_back(bench: Bench) -> None:
    bench.listener.resume("full")
    bench.connect()
    assert bench.poll() == 0


class Scarce:
    """Accepts from a socket in a process without descriptors, until there are some."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.asked = 0

    def __call__(self) -> tuple[int, object]:
        self.asked += 1
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        sock, address = self.sock.accept()
        return sock.detach(), address


@pytest.fixture
def scarce(make: Make) -> Callable[[int], tuple[Bench, Scarce]]:
    """A listener whose accept fails with this error number."""

    def start(number: int) -> tuple[Bench, Scarce]:
        bound = bind_inet(socket.AF_INET, "127.0.0.1", 0)
        accept = Scarce(bound.socket, number)
        return make(bound, accept), accept

    return start


StartScarce = Callable[[int], tuple[Bench, Scarce]]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting_pauses_when_descriptors_run_out_and_continues(scarce: StartScarce, number: int) -> None:
    bench, accept = scarce(number)
    bench.start()
    bench.connect()
    with capturedLogs() as events:
        bench.poll(turns=10)
    assert accept.asked == len(events) == 1
    accept.number = 0
    bench.clock.advance(EXHAUSTED_PAUSE_SECONDS)
    assert bench.poll() == 1


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EAGAIN, errno.EPROTO, errno.EPERM])
def test_client_that_has_gone_again_is_no_reason_to_pause(scarce: StartScarce, number: int) -> None:
    bench, accept = scarce(number)
    bench.start()
    bench.connect()
    bench.poll(turns=2)
    accept.number = 0
    assert bench.poll() == 1


def test_turn_ends_with_the_first_accept_that_finds_none(scarce: StartScarce) -> None:
    bench, accept = scarce(errno.EAGAIN)
    pairs = [socket.socketpair() for _ in range(ACCEPTS_PER_TURN)]
    for ours, _ in pairs:
        bench.poller.add(ours.fileno(), lambda events: None, WRITE)
    bench.start()
    bench.connect()
    bench.poll(turns=1)
    assert accept.asked == 1
    for pair in pairs:
        for end in pair:
            end.close()


def test_bug_in_accepting_does_not_close_the_door(make: Make) -> None:
    """A listener that the poller gave up would leave every later client waiting, with nothing in the log."""
    bench = make(bind_inet(socket.AF_INET, "127.0.0.1", 0))

    def buggy(sock: socket.SocketType, address: object, listener: Listener) -> None:
        sock.close()
        raise ZeroDivisionError("a bug")

    bench.take = buggy  # type: ignore[method-assign]
    bench.start()
    bench.connect()
    with capturedLogs() as events:
        bench.poll(turns=1)
    assert "log_failure" in events[0]
    del bench.take
    bench.connect()
    bench.clock.advance(EXHAUSTED_PAUSE_SECONDS)
    assert bench.poll() == 1


def test_stopped_listener_leaves_clients_to_the_next(bench: Bench) -> None:
    bench.start()
    bench.listener.stop()
    bench.connect()
    assert bench.poll() == 0
    bench.listener = Listener(bench.listener.bound, bench.take)
    bench.start()
    assert bench.poll() == 1


def test_stopped_listener_stays_stopped(scarce: StartScarce) -> None:
    bench, accept = scarce(errno.EMFILE)
    bench.start()
    bench.connect()
    with capturedLogs():
        bench.poll()
    bench.listener.stop()
    accept.number = 0
    bench.clock.advance(EXHAUSTED_PAUSE_SECONDS)
    bench.listener.pause("full")
    bench.listener.resume("full")
    assert bench.poll() == 0


def test_stopping_twice_is_stopping_once(bench: Bench) -> None:
    bench.start()
    bench.listener.stop()
    bench.listener.stop()


# Several processes.


@pytest.fixture
def shared(make: Make) -> Bench:
    """A listener with a socket that another process shares."""
    bound = bind_inet(socket.AF_INET, "127.0.0.1", 0)
    bound.is_shared = True
    bench = make(bound)
    bench.start()
    return bench


def test_clients_of_a_shared_socket_are_accepted_one_after_the_other(shared: Bench) -> None:
    for count in range(1, 4):
        shared.connect()
        assert shared.poll() == count


def test_process_is_the_first_for_some_turns_and_then_the_last(shared: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []
    monkeypatch.setattr(shared.poller, "pause", lambda descriptor: left.append(len(shared.accepted)))
    monkeypatch.setattr(shared.poller, "resume", lambda descriptor, events: None)
    for _ in range(2 * TURNS_IN_A_ROW + 1):
        shared.connect()
        shared.poll()
    assert left == [TURNS_IN_A_ROW, 2 * TURNS_IN_A_ROW]
    monkeypatch.undo()


def test_shared_listener_that_pauses_does_not_wait_again(shared: Bench) -> None:
    shared.listener.pause("full")
    shared.connect()
    shared.listener.wait_again()
    assert shared.poll() == 0
    shared.listener.resume("full")
    assert shared.poll() == 1
