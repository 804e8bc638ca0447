"""Where a listening socket comes from."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from mailproxy.config import InetBind, SystemdBind, UnixBind
from mailproxy.front.socket_source import SocketSource


@pytest.fixture
def given() -> Iterator[socket.socket]:
    """A socket that another process has opened."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def bind_of(sock: socket.socket) -> InetBind:
    return InetBind(ip_address("127.0.0.1"), sock.getsockname()[1])


def test_socket_of_systemd_is_found_by_its_address(given: socket.socket) -> None:
    source = SocketSource()
    source.lend("mailproxy.socket", given)
    bound = source.open(bind_of(given))
    assert bound.is_lent
    bound.close()


def test_socket_of_systemd_is_found_by_its_name_and_number(given: socket.socket) -> None:
    source = SocketSource()
    source.lend("imaps", given)
    assert (source.count_lent("imaps"), source.count_lent("pop3s")) == (1, 0)
    bound = source.open(SystemdBind("imaps"))
    assert bound.socket.getsockname() == given.getsockname()
    bound.close()
    with pytest.raises(OSError, match="no such socket at the start; the names of those that it did: imaps"):
        source.open(SystemdBind("imaps"), 1)


def test_offered_socket_is_used_once(given: socket.socket) -> None:
    source = SocketSource()
    source.offer([given])
    assert source.open(bind_of(given)).socket is given
    with pytest.raises(OSError, match="in use"):
        source.open(bind_of(given))


def test_no_socket_is_offered_for_a_name_of_systemd(given: socket.socket) -> None:
    source = SocketSource()
    source.offer([given])
    assert source.take_offered(SystemdBind("imaps")) is None
    source.close_offered()


def test_offered_sockets_that_were_not_used_are_closed(given: socket.socket) -> None:
    source = SocketSource()
    source.offer([given])
    source.close_offered()
    assert given.fileno() == -1


def test_new_unix_socket_has_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    bound = SocketSource().open(UnixBind(str(path)), mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    bound.close()
