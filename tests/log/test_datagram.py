"""Lines as datagrams."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailproxy.log.datagram import DatagramSink, JournalSink


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def unix(path: Path) -> socket.socket:
    """Listen on a UNIX socket, in place of an earlier one."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    sock.settimeout(10.0)
    return sock


def udp(port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(10.0)
    return sock


def until_taken(sink: DatagramSink, line: bytes) -> None:
    """Offer a line again as long as nothing is wrong; it takes a moment to see that a socket is another one."""
    for _ in range(3):
        if sink.write([line]):
            return
    raise AssertionError("not taken")


@pytest.fixture
def sink(path: Path) -> Iterator[DatagramSink]:
    with closing(DatagramSink("log", socket.AF_UNIX, str(path))) as sink:
        yield sink


def test_each_line_is_a_datagram(path: Path, sink: DatagramSink) -> None:
    with unix(path) as server:
        assert [sink.write([b"one", b"two"]), sink.write([b"two"])] == [1, 1]
        assert [server.recv(100), server.recv(100)] == [b"one", b"two"]


def test_write_without_a_server_fails(sink: DatagramSink) -> None:
    with pytest.raises(FileNotFoundError):
        sink.write([b"one"])


def test_server_that_is_started_again_gets_the_next_line(path: Path, sink: DatagramSink) -> None:
    with unix(path) as server:
        until_taken(sink, b"one")
        assert server.recv(100) == b"one"
    with pytest.raises(ConnectionRefusedError):
        until_taken(sink, b"two")
    with unix(path) as server:
        until_taken(sink, b"two")
        assert server.recv(100) == b"two"
    assert sink.lost == 0


def test_server_that_does_not_read_is_not_waited_for_for_ever(path: Path, sink: DatagramSink) -> None:
    with unix(path) as server:
        count = 0
        while sink.write([b"%d" % count]):
            count += 1
        assert [server.recv(100) for _ in range(count)] == [b"%d" % number for number in range(count)]
        assert sink.write([b"next"]) == 1


def test_line_that_is_too_long_is_cut(sink: DatagramSink) -> None:
    with udp() as server, closing(DatagramSink("log", socket.AF_INET, server.getsockname())) as sink:
        assert sink.write([100_000 * b"x"]) == 1
        assert server.recv(100_000) == 50_000 * b"x"


def test_udp_server_of_this_machine_loses_nothing_while_it_is_away() -> None:
    with udp() as server:
        address = server.getsockname()
    with closing(DatagramSink("log", socket.AF_INET, address)) as sink:
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                sink.write([b"one"])
        with udp(address[1]) as server:
            assert sink.write([b"one"]) == 1
            assert server.recv(100) == b"one"
        assert sink.lost == 0


def test_what_another_machine_refuses_later_counts_as_lost() -> None:
    """Here the refusal comes between two lines, of what went through the same socket."""
    made: list[socket.socket] = []

    def make_socket(family: int, kind: int) -> socket.socket:
        made.append(socket.socket(family, kind))
        return made[-1]

    with udp() as server:
        address = server.getsockname()
        with closing(DatagramSink("log", socket.AF_INET, address, make_socket=make_socket)) as sink:
            assert sink.write([b"one"]) == 1
            server.close()
            made[0].send(b"refused later")
            with pytest.raises(ConnectionRefusedError):
                sink.write([b"two"])
            assert sink.lost == 1


# The journal.


@pytest.fixture
def journal(path: Path) -> Iterator[JournalSink]:
    with closing(JournalSink("journal", str(path))) as sink:
        yield sink


def test_small_entry_is_a_datagram(path: Path, journal: JournalSink) -> None:
    with unix(path) as server:
        assert journal.write([b"MESSAGE=one\n"]) == 1
        assert server.recv(100) == b"MESSAGE=one\n"


def test_large_entry_is_a_sealed_memory_file(path: Path, journal: JournalSink) -> None:
    entry = b"MESSAGE=" + 20_000_000 * b"x" + b"\n"
    with unix(path) as server:
        assert journal.write([entry]) == 1
        data, descriptors, _, _ = socket.recv_fds(server, 100, 2)
        (descriptor,) = descriptors
        with open(descriptor, "rb") as file:
            assert data == b""
            assert os.pread(descriptor, len(entry) + 1, 0) == entry
            seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
            assert seals == fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            with pytest.raises(OSError, match=os.strerror(errno.EPERM)):
                os.ftruncate(file.fileno(), 0)


def test_forked_sink_opens_a_socket_of_its_own(path: Path, sink: DatagramSink) -> None:
    with unix(path) as server:
        sink.write([b"one"])
        sink.forget()
        assert sink.write([b"two"]) == 1
        assert [server.recv(100), server.recv(100)] == [b"one", b"two"]
