"""Taking the listening sockets of a running service over: what comes with the rows of its answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailproxy.control.call import NoService
from mailproxy.control.takeover import Takeover
from tests.control.conftest import Make
from tests.control.service import DONE, HELLO
from tests.test_service import Running

Answer = Callable[[socket.socket, list[int]], None]


@pytest.fixture
def offered() -> Iterator[list[socket.socket]]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(40)]
    yield sockets
    for sock in sockets:
        sock.close()


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def take_over(path: Path, answer: Answer, offered: list[socket.socket]) -> Takeover:
    """Take over from a service that answers as told; it has ended by then."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(line(**HELLO | {"pid": 4711}))
                asked = b""
                while not asked.endswith(b"\n"):
                    asked += connection.recv(4096)
                assert json.loads(asked)["command"] == "hand over"
                answer(connection, [sock.fileno() for sock in offered])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return Takeover(str(path))
        finally:
            thread.join(10)


def piecemeal(connection: socket.socket, descriptors: list[int]) -> None:
    """Send a descriptor with each of the first bytes, as Twisted does."""
    data = b"".join(line(type="row", address=str(number)) for number in descriptors) + line(**DONE)
    for place, descriptor in enumerate(descriptors):
        socket.send_fds(connection, [data[place : place + 1]], [descriptor])
    connection.sendall(data[len(descriptors) :])


def test_every_socket_arrives(tmp_path: Path, offered: list[socket.socket]) -> None:
    taken = take_over(tmp_path / "admin.sock", piecemeal, offered)
    assert taken.process == 4711
    assert [sock.getsockname() for sock in taken.sockets] == [sock.getsockname() for sock in offered]
    for sock in taken.sockets:
        assert not sock.get_inheritable()
        sock.close()
    with pytest.raises(NoService):
        taken.finish()


def test_fewer_sockets_than_rows_are_an_error(tmp_path: Path, offered: list[socket.socket]) -> None:
    def answer(connection: socket.socket, descriptors: list[int]) -> None:
        socket.send_fds(connection, [line(type="row", address="a")], descriptors[:1])
        connection.sendall(line(type="row", address="b") + line(**DONE))

    with pytest.raises(NoService, match="names 2 sockets and has sent 1"):
        take_over(tmp_path / "admin.sock", answer, offered)


def test_error_of_the_service_is_told(tmp_path: Path) -> None:
    def answer(connection: socket.socket, descriptors: list[int]) -> None:
        connection.sendall(line(type="error", error="the service is already stopping"))

    with pytest.raises(NoService, match="the service is already stopping"):
        take_over(tmp_path / "admin.sock", answer, [])


def test_end_in_the_middle_is_an_error(tmp_path: Path, offered: list[socket.socket]) -> None:
    def answer(connection: socket.socket, descriptors: list[int]) -> None:
        socket.send_fds(connection, [b'{"type": "r'], descriptors[:3])

    with pytest.raises(NoService, match="closed the connection"):
        take_over(tmp_path / "admin.sock", answer, offered)


# The process that leaves.


def test_process_that_leaves_ends_no_session_and_removes_no_file(make: Make) -> None:
    running = make()
    client, _ = running.relay()
    assert [sock.getsockname() for sock in running.service.listening] == [
        sock.getsockname() for sock in running.listening
    ]
    running.service.leave()
    stop(running)
    running.advance(60)
    assert not client.fin
    (event,) = running.logged("stopping")
    assert event["seconds"] == 3600 + 60 + 10


def test_process_that_leaves_keeps_to_the_times_that_it_is_given(make: Make) -> None:
    running = make(drain_timeout=120.0)
    running.relay()
    running.service.leave(spread=5.0)
    stop(running)
    (event,) = running.logged("stopping")
    assert event["seconds"] == 120 + 5 + 10


def stop(running: Running) -> None:
    """Do what the reactor does once it is told to stop."""
    running.reactor.advance(0)
    running.stop()
