"""The listening sockets of the process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from mailproxy import config
from mailproxy.config import Frontend, InetBind, UnixBind
from mailproxy.front.sockets import Sockets, StartError

ANY_PORT = InetBind(ip_address("127.0.0.1"), 0)


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    made = Sockets()
    yield made
    made.close()


def frontend(name: str, *bind: config.Bind) -> Frontend:
    return Frontend(name=name, bind=bind, protocol="imap", tls="none", backend="dovecot")


def test_each_frontend_has_its_own_in_order(sockets: Sockets, tmp_path: Path) -> None:
    unix = UnixBind(str(tmp_path / "b.sock"))
    frontends = frontend("a", ANY_PORT, ANY_PORT), frontend("b", ANY_PORT, unix)
    sockets.bind(frontends)
    found = sockets.by_frontend(frontends)
    assert [len(found["a"]), len(found["b"])] == [2, 2]
    assert len({bound.address for bounds in found.values() for bound in bounds}) == 4
    assert found["b"][1].address == unix.path


def test_binding_again_opens_what_is_new_alone(sockets: Sockets, tmp_path: Path) -> None:
    first, second = UnixBind(str(tmp_path / "1.sock")), UnixBind(str(tmp_path / "2.sock"))
    sockets.bind([frontend("a", first)])
    (kept,) = sockets.by_frontend([frontend("a", first)])["a"]
    renamed = frontend("b", second, first)
    sockets.bind([renamed])
    assert sockets.by_frontend([renamed])["b"][1] is kept


def test_others_are_closed(sockets: Sockets, tmp_path: Path) -> None:
    first, second = tmp_path / "1.sock", tmp_path / "2.sock"
    both = frontend("a", UnixBind(str(first)), UnixBind(str(second)))
    sockets.bind([both])
    sockets.close_others([frontend("b", UnixBind(str(second)))])
    assert (first.exists(), second.exists()) == (False, True)


def test_failure_closes_what_is_new_alone(sockets: Sockets, tmp_path: Path) -> None:
    first, second = tmp_path / "1.sock", tmp_path / "2.sock"
    sockets.bind([frontend("a", UnixBind(str(first)))])
    nowhere = UnixBind(str(tmp_path / "no" / "3.sock"))
    with pytest.raises(StartError, match=r"^frontend\.b\.bind: cannot listen on .*3\.sock: No such file"):
        sockets.bind([frontend("a", UnixBind(str(first))), frontend("b", UnixBind(str(second)), nowhere)])
    assert (first.exists(), second.exists()) == (True, False)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(first))
