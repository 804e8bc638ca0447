"""Listening sockets: bound, paused, out of descriptors, stopped."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from mailproxy.transport.listener import EXHAUSTED_PAUSE_SECONDS, Listener, bind_inet, bind_unix
from mailproxy.transport.poller import Poller
from tests.transport.relay import is_ready


class Bench:
    """A listener, and what it accepted."""

    def __init__(self, sock: socket.socket) -> None:
        self.poller = Poller()
        self.clock = Clock()
        self.accepted: list[tuple[socket.SocketType, object]] = []
        self.listener = Listener(sock, self.poller, self.clock, self.take)
        self.clients: list[socket.socket] = []

    def take(self, sock: socket.SocketType, address: object, listener: Listener) -> None:
        assert listener is self.listener
        self.accepted.append((sock, address))

    def connect(self) -> socket.socket:
        """Connect a client; the kernel takes it into its queue at once."""
        listening = self.listener.socket
        client = socket.socket(listening.family)
        client.connect(listening.getsockname())
        self.clients.append(client)
        return client

    def poll(self, turns: int = 3) -> int:
        """Let some turns pass; return how many clients were accepted so far."""
        for _ in range(turns):
            self.poller.poll(0)
        return len(self.accepted)

    def close(self) -> None:
        self.listener.stop()
        for sock in (*self.clients, *(sock for sock, _ in self.accepted)):
            sock.close()
        self.poller.close()


@pytest.fixture
def make() -> Iterator[Callable[[socket.socket], Bench]]:
    made: list[Bench] = []

    def bench(sock: socket.socket) -> Bench:
        made.append(Bench(sock))
        return made[-1]

    yield bench
    for one in made:
        one.close()


Make = Callable[[socket.socket], Bench]


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(bind_inet(socket.AF_INET, "127.0.0.1", 0))


def test_clients_are_accepted_with_their_address(bench: Bench) -> None:
    bench.listener.start()
    client = bench.connect()
    assert bench.poll() == 1
    sock, address = bench.accepted[0]
    assert address == client.getsockname() == sock.getpeername()


def test_accepted_sockets_do_not_block(bench: Bench) -> None:
    bench.listener.start()
    bench.connect()
    bench.poll()
    assert bench.accepted[0][0].gettimeout() == 0


def test_accepted_sockets_do_not_wait_to_send_little(bench: Bench) -> None:
    bench.listener.start()
    bench.connect()
    bench.poll()
    assert bench.accepted[0][0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_python_still_has_what_accepting_stands_on() -> None:
    """A new Python may have renamed this private method: `Listener` has to follow."""
    with socket.socket() as sock:
        assert callable(getattr(sock, "_accept", None)), "socket.socket has no _accept any more"


def test_one_client_is_accepted_a_turn(bench: Bench) -> None:
    bench.listener.start()
    for _ in range(3):
        bench.connect()
    assert bench.poll(turns=1) == 1
    assert bench.poll(turns=2) == 3


def test_nobody_is_accepted_before_the_start(bench: Bench) -> None:
    bench.connect()
    assert bench.poll() == 0


def test_paused_listener_leaves_clients_in_the_queue(bench: Bench) -> None:
    bench.listener.start()
    bench.listener.pause("full")
    bench.connect()
    assert bench.poll() == 0
    assert not is_ready(bench.poller)
    bench.listener.resume("full")
    assert bench.poll() == 1


def test_listener_waits_until_every_reason_has_gone(bench: Bench) -> None:
    bench.listener.start()
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
    """A listening socket of a process without descriptors."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.asked = 0

    def _accept(self) -> tuple[int, object]:
        self.asked += 1
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        return self.sock._accept()  # type: ignore[attr-defined,no-any-return]  # private

    def __getattr__(self, name: str) -> object:
        return getattr(self.sock, name)


def with_scarce_socket(bench: Bench, number: int) -> Scarce:
    scarce = Scarce(bench.listener.socket, number)
    bench.listener.socket = scarce  # type: ignore[assignment]  # a fake
    return scarce


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting_pauses_when_descriptors_run_out_and_goes_on(bench: Bench, number: int) -> None:
    scarce = with_scarce_socket(bench, number)
    bench.listener.start()
    bench.connect()
    with capturedLogs() as events:
        bench.poll(turns=10)
    assert scarce.asked == len(events) == 1
    scarce.number = 0
    bench.clock.advance(EXHAUSTED_PAUSE_SECONDS)
    assert bench.poll() == 1


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EAGAIN, errno.EPROTO, errno.EPERM])
def test_client_that_has_gone_again_is_no_reason_to_pause(bench: Bench, number: int) -> None:
    scarce = with_scarce_socket(bench, number)
    bench.listener.start()
    bench.connect()
    bench.poll(turns=2)
    scarce.number = 0
    assert bench.poll() == 1


def test_bug_in_accepting_does_not_close_the_door(make: Make) -> None:
    """A listener that the poller gave up would leave every later client waiting, with nothing in the log."""
    bench = make(bind_inet(socket.AF_INET, "127.0.0.1", 0))

    def buggy(sock: socket.SocketType, address: object, listener: object) -> None:
        sock.close()
        raise ZeroDivisionError("a bug")

    take, bench.listener._accepted = bench.listener._accepted, buggy
    bench.listener.start()
    bench.connect()
    with capturedLogs() as events:
        bench.poll(turns=1)
    assert "log_failure" in events[0]
    bench.listener._accepted = take
    bench.connect()
    bench.clock.advance(EXHAUSTED_PAUSE_SECONDS)
    assert bench.poll() == 1


def test_stopped_listener_refuses(bench: Bench) -> None:
    bench.listener.start()
    address = bench.listener.socket.getsockname()
    bench.listener.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_stopped_listener_stays_stopped(bench: Bench) -> None:
    scarce = with_scarce_socket(bench, errno.EMFILE)
    bench.listener.start()
    bench.connect()
    with capturedLogs():
        bench.poll()
    bench.listener.stop()
    scarce.number = 0
    bench.clock.advance(EXHAUSTED_PAUSE_SECONDS)
    bench.listener.pause("full")
    bench.listener.resume("full")
    assert bench.poll() == 0


def test_stopping_twice_is_stopping_once(bench: Bench) -> None:
    bench.listener.start()
    bench.listener.stop()
    bench.listener.stop()


# Addresses.


def test_address_is_told_in_words(bench: Bench) -> None:
    assert bench.listener.address == f"127.0.0.1:{bench.listener.socket.getsockname()[1]}"


def test_own_end_is_known_where_it_is_the_same_for_all(bench: Bench) -> None:
    assert bench.listener.local == (b"\x7f\0\0\1", bench.listener.socket.getsockname()[1])


def test_wildcard_leaves_the_own_end_to_each_connection(make: Make) -> None:
    assert make(bind_inet(socket.AF_INET, "0.0.0.0", 0)).listener.local is None


def test_ipv6_is_told_in_brackets(make: Make) -> None:
    listener = make(bind_inet(socket.AF_INET6, "::1", 0)).listener
    assert listener.address.startswith("[::1]:")
    assert listener.local is not None
    assert listener.local[0] == bytes(15) + b"\1"


def test_ipv6_wildcard_leaves_ipv4_alone(make: Make) -> None:
    # One that is free in both families: another program may have it in one of them.
    with socket.create_server(("0.0.0.0", 0)) as free:
        port = free.getsockname()[1]
    six = make(bind_inet(socket.AF_INET6, "::", port))
    four = make(bind_inet(socket.AF_INET, "0.0.0.0", port))
    assert six.listener.local is four.listener.local is None


def test_port_in_use_is_an_error(bench: Bench) -> None:
    with pytest.raises(OSError, match="in use"):
        bind_inet(socket.AF_INET, "127.0.0.1", bench.listener.socket.getsockname()[1])


# UNIX sockets.


def test_unix_socket_is_listened_on(make: Make, tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    bench = make(bind_unix(path))
    bench.listener.start()
    bench.connect()
    assert bench.poll() == 1
    assert bench.listener.is_unix
    assert bench.listener.address == path
    assert bench.listener.local is None


def test_file_of_a_unix_socket_goes_with_the_listener(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    bench = make(bind_unix(str(path)))
    assert stat.S_ISSOCK(path.stat().st_mode)
    bench.listener.stop()
    assert not path.exists()


def test_file_that_has_gone_already_is_said(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    bench = make(bind_unix(str(path)))
    path.unlink()
    with capturedLogs() as events:
        bench.listener.stop()
    assert events[0]["path"] == str(path)


def test_file_that_cannot_be_removed_is_only_a_warning(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "front.sock"
    bench = make(bind_unix(str(path)))

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    with capturedLogs() as events:
        bench.listener.stop()
    assert (events[0]["path"], events[0]["error"]) == (str(path), "Permission denied")


def test_file_that_somebody_else_has_bound_meanwhile_stays(make: Make, tmp_path: Path) -> None:
    """As the next process does, which was started before this one ends."""
    path = tmp_path / "front.sock"
    bench = make(bind_unix(str(path)))
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with capturedLogs() as events:
            bench.listener.stop()
        assert "not removed" in events[0]["log_format"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_stale_unix_socket_is_replaced(make: Make, tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    with socket.socket(socket.AF_UNIX) as former:
        former.bind(path)
        former.listen()
    bench = make(bind_unix(path))
    bench.listener.start()
    bench.connect()
    assert bench.poll() == 1


def test_unix_socket_that_somebody_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        with pytest.raises(OSError, match="in use"):
            bind_unix(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_unix_socket_of_somebody_who_is_overloaded_is_left_alone(tmp_path: Path) -> None:
    """A blocking connect would wait there until that other process accepts."""
    path = str(tmp_path / "front.sock")
    with (
        socket.socket(socket.AF_UNIX) as other,
        socket.socket(socket.AF_UNIX) as first,
        socket.socket(socket.AF_UNIX) as second,
    ):
        other.bind(path)
        other.listen(0)
        first.connect(path)
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.connect(path)
        with pytest.raises(OSError, match="in use"):
            bind_unix(path)


def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        bind_unix(str(path))
    assert path.read_text() == "precious"
