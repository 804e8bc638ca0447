"""The ways to a listening socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mailproxy.transport.binding import adopt, bind_inet, bind_unix
from mailproxy.transport.bound import Bound
from tests.transport.conftest import Keep


def test_ipv6_wildcard_leaves_ipv4_alone(bound: Keep) -> None:
    four = bound(bind_inet(socket.AF_INET, "0.0.0.0", 0))
    six = bound(bind_inet(socket.AF_INET6, "::", four.socket.getsockname()[1]))
    assert six.local is four.local is None


def test_port_in_use_is_an_error(anywhere: Bound) -> None:
    with pytest.raises(OSError, match="in use"):
        bind_inet(socket.AF_INET, "127.0.0.1", anywhere.socket.getsockname()[1])


# UNIX sockets.


def test_unix_socket_is_listened_on(bound: Keep, tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    made = bound(bind_unix(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        made.socket.accept()[0].close()
    assert made.is_unix
    assert made.address == path
    assert made.local is None


def test_stale_unix_socket_is_replaced(bound: Keep, tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    with socket.socket(socket.AF_UNIX) as previous:
        previous.bind(path)
        previous.listen()
    made = bound(bind_unix(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        made.socket.accept()[0].close()


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


# Sockets of another process.


def test_adopted_port_lets_clients_in(bound: Keep, anywhere: Bound) -> None:
    assert anywhere.keep_away()
    bound(adopt(anywhere.socket.dup()))
    with socket.create_connection(anywhere.socket.getsockname(), 5):
        pass
