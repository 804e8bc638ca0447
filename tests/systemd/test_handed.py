"""Sockets that systemd hands over."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailproxy.front.socket_source import SocketSource
from mailproxy.systemd.handed import Handed, take_handed
from mailproxy.systemd.message import stored_name
from mailproxy.transport.binding import borrow

PID = 4711
FIRST = 700
"""Descriptors from here on are free in a test."""

Hand = Callable[..., Handed]


@pytest.fixture
def hand() -> Iterator[Hand]:
    """Hands descriptors over, each with a name, and gives what was taken."""
    with ExitStack() as stack:

        def hand(*named: tuple[str, int]) -> Handed:
            for place, (_, descriptor) in enumerate(named, FIRST):
                os.dup2(descriptor, place)
            names = ":".join(name for name, _ in named)
            environment = {"LISTEN_PID": str(PID), "LISTEN_FDS": str(len(named)), "LISTEN_FDNAMES": names}
            handed = take_handed(environment, PID, FIRST)
            for sock in handed.sockets:
                stack.enter_context(sock)
            return handed

        yield hand


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_sockets_of_units_and_of_the_store_are_distinguished(hand: Hand, listening: socket.socket) -> None:
    name = stored_name("AF_INET 127.0.0.1:993")
    handed = hand(("imaps", listening.fileno()), (name, listening.fileno()))
    assert [one for one, _ in handed.units] == ["imaps"]
    assert [(one.name, one.inode) for one in handed.stored] == [(name, os.fstat(listening.fileno()).st_ino)]
    assert {sock.getsockname() for sock in handed.sockets} == {listening.getsockname()}


def test_programs_that_we_start_do_not_get_them(hand: Hand, listening: socket.socket) -> None:
    (sock,) = hand(("imaps", listening.fileno())).sockets
    assert fcntl.fcntl(sock.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_socket_that_refuses_clients_for_now_is_taken(hand: Hand, listening: socket.socket) -> None:
    listening.shutdown(socket.SHUT_RD)
    assert len(hand(("imaps", listening.fileno())).units) == 1


def test_what_is_no_listening_socket_is_closed(hand: Hand, listening: socket.socket) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.create_connection(listening.getsockname()) as connected,
        open(os.devnull) as file,
    ):
        given = [("a", datagrams.fileno()), ("connection", connected.fileno()), ("b", file.fileno())]
        assert hand(*given).sockets == []
    for descriptor in range(FIRST, FIRST + 3):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_socket_without_an_address_is_closed(hand: Hand) -> None:
    for family in (socket.AF_INET, socket.AF_UNIX):
        with socket.socket(family) as sock:
            assert hand(("imaps", sock.fileno())).sockets == []


def test_environment_that_twisted_cannot_read_is_taken_away() -> None:
    environment = {"LISTEN_PID": str(PID), "LISTEN_FDS": "1" * 400, "LISTEN_FDNAMES": "a", "HOME": "/"}
    assert take_handed(environment, PID, FIRST).sockets == []
    assert environment == {"HOME": "/"}


def test_abstract_socket_has_an_address_in_words(hand: Hand) -> None:
    name = f"mailproxy-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0{name}")
        sock.listen()
        handed = hand(("imaps", sock.fileno()), (stored_name(f"@{name}"), sock.fileno()))
        assert handed.stored[0].is_reachable
        bound = borrow(handed.units[0][1])
        assert bound.address == bound.place == f"@{name}"
        bound.close()


def test_descriptor_that_is_not_there_is_left_out() -> None:
    environment = {"LISTEN_PID": str(PID), "LISTEN_FDS": "1"}
    assert take_handed(environment, PID, FIRST).sockets == []


def test_unix_socket_without_its_file_cannot_be_reached(hand: Hand, tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        (stored,) = hand((stored_name(str(path)), sock.fileno())).stored
        assert stored.is_reachable
        path.unlink()
        assert not stored.is_reachable


class FakeSource(SocketSource):
    """Keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.units: list[tuple[str, socket.socket]] = []
        self.offered: list[socket.socket] = []

    def lend(self, name: str, sock: socket.socket) -> None:
        self.units.append((name, sock))

    def offer(self, sockets: Iterable[socket.socket]) -> None:
        self.offered.extend(sockets)


def test_sockets_of_units_are_lent_and_stored_ones_offered_that_are_reachable(hand: Hand, tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    with socket.create_server(("127.0.0.1", 0)) as inet, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        name = stored_name("AF_INET 127.0.0.1:143")
        handed = hand(("imaps", inet.fileno()), (name, inet.fileno()), (stored_name(str(path)), unix.fileno()))
        path.unlink()
        source = FakeSource()
        handed.lend_to(source)
    assert source.units == [("imaps", handed.sockets[0])]
    assert source.offered == [handed.sockets[1]]
