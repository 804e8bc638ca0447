"""The listening socket for administrators."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from mailproxy.config import Admin, InetBind, UnixBind
from mailproxy.front.admin import AdminPlace, AdminSockets, admin_places
from mailproxy.front.sockets import StartError


@pytest.fixture
def sockets() -> Iterator[AdminSockets]:
    made = AdminSockets()
    yield made
    with capturedLogs():
        made.close_others(())


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "admin.sock")


def at(path: str) -> tuple[AdminPlace, ...]:
    return admin_places(Admin(socket=path))


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_nobody_but_its_user_may_connect(sockets: AdminSockets, path: str) -> None:
    before = os.umask(0)
    try:
        sockets.bind(at(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    connect(path)


def test_stale_socket_is_replaced(sockets: AdminSockets, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
    assert sockets.bind(at(path))
    connect(path)


def test_socket_of_a_live_process_is_an_error(sockets: AdminSockets, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        with pytest.raises(StartError, match=r"admin\.socket: cannot listen on /.*: another process listens there"):
            sockets.bind(at(path))
        connect(path)


def test_file_that_is_no_socket_is_left_alone(sockets: AdminSockets, path: str) -> None:
    Path(path).write_text("mine")
    with pytest.raises(StartError, match="there is a file that is not a socket"):
        sockets.bind(at(path))
    assert Path(path).read_text() == "mine"


def test_folder_that_is_not_there_is_reported(sockets: AdminSockets, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory"):
        sockets.bind(at(str(tmp_path / "no" / "admin.sock")))


def test_socket_continues_where_the_path_stays(sockets: AdminSockets, path: str, tmp_path: Path) -> None:
    sockets.bind(at(path))
    first = sockets.at(UnixBind(path))
    assert not sockets.bind(at(path))
    assert sockets.at(UnixBind(path)) is first
    other = str(tmp_path / "other.sock")
    sockets.bind(at(other))
    sockets.close_others(at(other))
    assert (os.path.exists(path), os.path.exists(other)) == (False, True)


def test_without_a_place_nothing_is_bound(sockets: AdminSockets) -> None:
    assert sockets.bind(()) == []
    assert sockets.at(None) is None


def test_umask_decides_who_may_connect_to_the_place_of_http(sockets: AdminSockets, path: str) -> None:
    before = os.umask(0o007)
    try:
        sockets.bind(admin_places(Admin(http=UnixBind(path))))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o770


def test_no_socket_is_opened_if_one_cannot_be(sockets: AdminSockets, path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = InetBind(ip_address("127.0.0.1"), other.getsockname()[1])
        with pytest.raises(StartError) as caught:
            sockets.bind(admin_places(Admin(socket=path, http=bind)))
    assert str(caught.value) == (
        f"admin.http: cannot listen on {bind}: another process listens there; stop it first, or name another port"
    )
    assert sockets.sockets == []
    assert not os.path.exists(path)


def test_offered_socket_is_used(sockets: AdminSockets) -> None:
    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]
    sockets.source.offer([other])
    sockets.bind(admin_places(Admin(http=InetBind(ip_address("127.0.0.1"), port))))
    (used,) = sockets.sockets
    assert used is other
