"""The listening sockets of the process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from mailproxy import config
from mailproxy.config import Frontend, InetBind, SystemdBind, UnixBind
from mailproxy.front.sockets import Sockets, StartError
from tests.interop.ports import free_port

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


def test_addresses_are_those_at_the_moment(sockets: Sockets, tmp_path: Path) -> None:
    unix = UnixBind(str(tmp_path / "a.sock"))
    frontends = frontend("a", unix), frontend("b", UnixBind(str(tmp_path / "b.sock")))
    sockets.bind(frontends[:1])
    assert sockets.addresses(frontends) == {"a": (unix.path,), "b": ()}
    sockets.suspend(frontends[0])
    assert sockets.addresses(frontends[:1]) == {"a": ()}


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


# From one process to another.


def listening_on(bind: config.Bind) -> tuple[Sockets, Frontend]:
    made = Sockets()
    made.bind([frontend("a", bind)])
    return made, frontend("a", bind)


@pytest.mark.parametrize("kind", ["inet", "inet6", "unix"])
def test_sockets_of_another_process_are_listened_on(sockets: Sockets, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "1.sock"
    bind: config.Bind = UnixBind(str(path))
    if kind != "unix":
        bind = InetBind(ip_address("127.0.0.1" if kind == "inet" else "::1"), free_port())
    previous, front = listening_on(bind)
    (before,) = previous.by_frontend([front])["a"]
    with socket.socket(before.socket.family) as client:
        client.connect(before.socket.getsockname())
        previous.share(with_others=True)
        sockets.source.offer(sock.dup() for sock in previous.sockets)
        sockets.bind([front])
        previous.close()
        (after,) = sockets.by_frontend([front])["a"]
        taken, _ = after.socket.accept()
        taken.close()
    assert path.exists() == (kind == "unix")
    sockets.share(with_others=False)
    with socket.socket(after.socket.family) as later:
        later.connect(after.socket.getsockname())
    sockets.close()
    assert not path.exists()


# Frontends that accept nobody for a while.


def test_suspended_frontend_has_no_sockets(sockets: Sockets, tmp_path: Path) -> None:
    front = frontend("a", UnixBind(str(tmp_path / "1.sock")))
    sockets.bind([front])
    sockets.suspend(front)
    sockets.suspend(front)
    assert sockets.by_frontend([front]) == {"a": []}
    sockets.bind([front])
    assert not (tmp_path / "1.sock").exists()
    sockets.resume(front)
    assert len(sockets.by_frontend([front])["a"]) == 1


def test_suspended_frontend_that_goes_is_forgotten(sockets: Sockets, tmp_path: Path) -> None:
    front, other = frontend("a", UnixBind(str(tmp_path / "1.sock"))), frontend("b", UnixBind(str(tmp_path / "2.sock")))
    sockets.bind([front, other])
    sockets.suspend(front)
    sockets.close_others([other])
    assert sockets.suspended == frozenset()


def unit_socket(host: str = "127.0.0.1", *, v6only: int = 1) -> socket.socket:
    """A socket that belongs to systemd."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if ":" in host:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    sock.bind((host, 0))
    sock.listen()
    return sock


def test_name_stands_for_all_sockets_that_systemd_has_under_it(sockets: Sockets) -> None:
    with unit_socket() as one, unit_socket("::1") as two:
        sockets.source.lend("imaps", one)
        sockets.source.lend("imaps", two)
        front = frontend("a", SystemdBind("imaps"))
        sockets.bind([front])
        found = sockets.by_frontend([front])["a"]
        assert [bound.socket.getsockname() for bound in found] == [one.getsockname(), two.getsockname()]
        assert sockets.idle == []


def test_socket_of_systemd_comes_back_with_a_later_configuration(sockets: Sockets) -> None:
    with unit_socket() as sock:
        sockets.source.lend("imaps", sock)
        front = frontend("a", SystemdBind("imaps"))
        sockets.bind([front])
        sockets.close_others([])
        assert sockets.idle == [("imaps", f"AF_INET 127.0.0.1:{sock.getsockname()[1]}")]
        sockets.bind([front])
        assert len(sockets.by_frontend([front])["a"]) == 1


def test_socket_of_systemd_is_never_shut_down(sockets: Sockets) -> None:
    with unit_socket() as sock:
        sockets.source.lend("imaps", sock)
        front = frontend("a", SystemdBind("imaps"))
        sockets.bind([front])
        sockets.suspend(front)
        with socket.create_connection(sock.getsockname()):
            pass
        sockets.resume(front)
        assert len(sockets.by_frontend([front])["a"]) == 1


def test_file_of_a_socket_of_systemd_is_left_alone(sockets: Sockets, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        sockets.source.lend("a", sock)
        sockets.bind([frontend("a", UnixBind(str(path)))])
        sockets.share(with_others=False)
        sockets.close()
        assert path.is_socket()


def test_name_that_systemd_does_not_have_is_reported_with_those_that_it_has(sockets: Sockets) -> None:
    with unit_socket() as sock:
        sockets.source.lend("pop3s", sock)
        with pytest.raises(StartError, match="no such socket at the start; the names of those that it did: pop3s"):
            sockets.bind([frontend("a", SystemdBind("imaps"))])


def test_socket_for_ipv4_and_ipv6_is_refused(sockets: Sockets) -> None:
    with unit_socket("::", v6only=0) as sock:
        sockets.source.lend("imaps", sock)
        with pytest.raises(StartError, match="write BindIPv6Only=ipv6-only into its unit"):
            sockets.bind([frontend("a", SystemdBind("imaps"))])
