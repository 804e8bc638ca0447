"""The listening socket for administrators."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from mailproxy.front.admin import AdminSockets
from mailproxy.front.sockets import StartError


@pytest.fixture
def sockets() -> Iterator[AdminSockets]:
    made = AdminSockets()
    yield made
    with capturedLogs():
        made.close_others(None)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "admin.sock")


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_nobody_but_its_user_may_connect(sockets: AdminSockets, path: str) -> None:
    before = os.umask(0)
    try:
        sockets.bind(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    connect(path)


def test_stale_one_is_replaced(sockets: AdminSockets, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
    assert sockets.bind(path)
    connect(path)


def test_live_one_is_an_error(sockets: AdminSockets, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        with pytest.raises(StartError, match=r"admin\.socket: cannot listen on /.*: another process listens there"):
            sockets.bind(path)
        connect(path)


def test_file_is_left_alone(sockets: AdminSockets, path: str) -> None:
    Path(path).write_text("mine")
    with pytest.raises(StartError, match="there is a file that is not a socket"):
        sockets.bind(path)
    assert Path(path).read_text() == "mine"


def test_folder_that_is_not_there_is_said(sockets: AdminSockets, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory"):
        sockets.bind(str(tmp_path / "no" / "admin.sock"))


def test_it_goes_on_where_the_path_stays(sockets: AdminSockets, path: str, tmp_path: Path) -> None:
    sockets.bind(path)
    first = sockets.at(path)
    assert not sockets.bind(path)
    assert sockets.at(path) is first
    other = str(tmp_path / "other.sock")
    sockets.bind(other)
    sockets.close_others(other)
    assert (os.path.exists(path), os.path.exists(other)) == (False, True)


def test_nowhere_is_nowhere(sockets: AdminSockets) -> None:
    assert not sockets.bind(None)
    assert sockets.at(None) is None
