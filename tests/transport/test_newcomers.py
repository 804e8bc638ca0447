"""New clients of a listening socket: kept away, while those who are connecting get through."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from mailproxy.transport.newcomers import keep_away, let_in


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        made = socket.create_server((request.param, 0), family=family)
    except OSError as error:
        pytest.skip(str(error))
    made.settimeout(5)
    with made:
        yield made


def test_new_clients_are_kept_away_without_an_answer(listening: socket.socket) -> None:
    keep_away(listening)
    with socket.socket(listening.family) as client:
        client.setblocking(False)
        assert client.connect_ex(listening.getsockname()[:2]) == errno.EINPROGRESS
        # On loopback, a handshake that succeeds is over by now.
        assert client.connect_ex(listening.getsockname()[:2]) == errno.EALREADY


def test_clients_that_have_connected_are_served(listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()[:2]) as client:
        keep_away(listening)
        accepted, _ = listening.accept()
        with accepted:
            client.sendall(b"hello")
            assert accepted.recv(5) == b"hello"
            accepted.sendall(b"hello")
            assert client.recv(5) == b"hello"


def test_clients_are_let_in_again(listening: socket.socket) -> None:
    keep_away(listening)
    let_in(listening)
    with socket.create_connection(listening.getsockname()[:2], 5), listening.accept()[0]:
        pass


def test_letting_in_those_who_were_not_kept_away_is_an_error(listening: socket.socket) -> None:
    with pytest.raises(FileNotFoundError):
        let_in(listening)
