"""Lines over TCP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mailproxy.log.stream import StreamSink


def listener(port: int = 0) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with listener() as server:
        yield server


@pytest.fixture
def sink(server: socket.socket) -> Iterator[StreamSink]:
    with closing(StreamSink("log", socket.AF_INET, server.getsockname())) as sink:
        yield sink


def accept(server: socket.socket) -> socket.socket:
    server.settimeout(10.0)
    connection, _ = server.accept()
    connection.settimeout(10.0)
    return connection


def frames(data: bytes) -> list[bytes]:
    """Take messages apart, by the length in front of each."""
    found, position = [], 0
    while position < len(data):
        begin = data.index(b" ", position) + 1
        end = begin + int(data[position:begin])
        found.append(data[begin:end])
        position = end
    return found


def write_all(sink: StreamSink, lines: list[bytes]) -> None:
    while lines:
        lines = lines[sink.write(lines) :]


def test_each_line_has_its_length_in_front(server: socket.socket, sink: StreamSink) -> None:
    assert sink.write([b"one", b"line two"]) == 2
    with accept(server) as connection:
        sink.close()
        assert connection.makefile("rb").read() == b"3 one8 line two"


def test_write_without_a_server_fails(server: socket.socket, sink: StreamSink) -> None:
    server.close()
    with pytest.raises(ConnectionRefusedError):
        sink.write([b"one"])


def test_server_that_has_closed_is_connected_to_again(server: socket.socket, sink: StreamSink) -> None:
    sink.write([b"one"])
    with accept(server) as connection:
        assert connection.recv(100) == b"3 one"
    sink.write([b"two"])
    with accept(server) as connection:
        assert connection.recv(100) == b"3 two"


def test_server_that_does_not_read_is_not_waited_for_for_ever(server: socket.socket, sink: StreamSink) -> None:
    sent: list[bytes] = []
    line = 50_000 * b"x"
    while done := sink.write([line]):
        sent += done * [line]
    with accept(server) as connection:
        while not sink.write([line]):
            connection.recv(1_000_000)
        assert sink.write([b"next"]) == 1


def test_server_that_continues_reading_gets_all_lines_whole(server: socket.socket, sink: StreamSink) -> None:
    lines = [b"%d " % number + 9_000 * b"x" for number in range(2000)]
    left = list(lines)
    while done := sink.write(left):
        left = left[done:]
    assert left
    with accept(server) as connection, ThreadPoolExecutor() as pool:
        received = pool.submit(connection.makefile("rb").read)
        write_all(sink, left)
        sink.close()
        assert frames(received.result()) == lines


def test_line_under_way_is_whole_in_the_next_connection(server: socket.socket, sink: StreamSink) -> None:
    line = 50_000 * b"x"
    while sink.write([line]):
        pass
    with accept(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    write_all(sink, [line, b"next"])
    with accept(server) as connection:
        sink.close()
        assert frames(connection.makefile("rb").read()) == [line, b"next"]


def test_what_the_server_sends_is_ignored(server: socket.socket, sink: StreamSink) -> None:
    sink.write([b"one"])
    with accept(server) as connection:
        connection.sendall(100_000 * b"hello")
        write_all(sink, [b"two"])
        assert connection.recv(100) == b"3 one3 two"


def test_forked_sink_opens_a_connection_of_its_own(server: socket.socket, sink: StreamSink) -> None:
    sink.write([b"one"])
    sink.forget()
    sink.write([b"two"])
    received = []
    for _ in range(2):
        with accept(server) as connection:
            received.append(connection.recv(100))
    assert received == [b"3 one", b"3 two"]
