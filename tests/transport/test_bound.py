"""Sockets that listen: bound, told in words, closed."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from mailproxy.transport.bound import Bound, adopt, bind_inet, bind_unix

Keep = Callable[[Bound], Bound]


@pytest.fixture
def bound() -> Iterator[Keep]:
    """Close in the end what was bound."""
    made: list[Bound] = []

    def keep(one: Bound) -> Bound:
        made.append(one)
        return one

    yield keep
    with capturedLogs():
        for one in made:
            one.close()


@pytest.fixture
def anywhere(bound: Keep) -> Bound:
    return bound(bind_inet(socket.AF_INET, "127.0.0.1", 0))


def test_closed_socket_refuses(anywhere: Bound) -> None:
    address = anywhere.socket.getsockname()
    anywhere.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_closing_twice_is_closing_once(anywhere: Bound) -> None:
    anywhere.close()
    anywhere.close()


# Addresses.


def test_address_is_reported_in_words(anywhere: Bound) -> None:
    assert anywhere.address == f"127.0.0.1:{anywhere.socket.getsockname()[1]}"


def test_own_end_is_known_where_it_is_the_same_for_all(anywhere: Bound) -> None:
    assert anywhere.local == (b"\x7f\0\0\1", anywhere.socket.getsockname()[1])


def test_wildcard_leaves_the_own_end_to_each_connection(bound: Keep) -> None:
    assert bound(bind_inet(socket.AF_INET, "0.0.0.0", 0)).local is None


def test_ipv6_is_reported_in_brackets(bound: Keep) -> None:
    made = bound(bind_inet(socket.AF_INET6, "::1", 0))
    assert made.address.startswith("[::1]:")
    assert made.local is not None
    assert made.local[0] == bytes(15) + b"\1"


def test_ipv6_wildcard_leaves_ipv4_alone(bound: Keep) -> None:
    # One that is free in both families: another program may have it in one of them.
    with socket.create_server(("0.0.0.0", 0)) as free:
        port = free.getsockname()[1]
    six = bound(bind_inet(socket.AF_INET6, "::", port))
    four = bound(bind_inet(socket.AF_INET, "0.0.0.0", port))
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


def test_file_of_a_unix_socket_goes_with_it(bound: Keep, tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    made = bound(bind_unix(str(path)))
    assert stat.S_ISSOCK(path.stat().st_mode)
    made.close()
    assert not path.exists()


def test_file_that_has_gone_already_is_reported(bound: Keep, tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    made = bound(bind_unix(str(path)))
    path.unlink()
    with capturedLogs() as events:
        made.close()
    assert events[0]["path"] == str(path)


def test_file_that_cannot_be_removed_is_only_a_warning(
    bound: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "front.sock"
    made = bound(bind_unix(str(path)))

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    with capturedLogs() as events:
        made.close()
    assert (events[0]["path"], events[0]["error"]) == (str(path), "Permission denied")


def test_file_that_somebody_else_has_bound_meanwhile_stays(bound: Keep, tmp_path: Path) -> None:
    """As the next process does, which was started before this one ends."""
    path = tmp_path / "front.sock"
    made = bound(bind_unix(str(path)))
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with capturedLogs() as events:
            made.close()
        assert "not removed" in events[0]["log_format"]
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_stale_unix_socket_is_replaced(bound: Keep, tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    with socket.socket(socket.AF_UNIX) as former:
        former.bind(path)
        former.listen()
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


# New clients before the end.


def test_new_clients_of_a_unix_socket_are_refused_and_those_in_the_queue_accepted(bound: Keep, tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    unix = bound(bind_unix(path))
    with socket.socket(socket.AF_UNIX) as early, socket.socket(socket.AF_UNIX) as late:
        early.connect(path)
        assert not unix.keep_away()
        unix.refuse()
        with pytest.raises(ConnectionRefusedError):
            late.connect(path)
        with unix.socket.accept()[0]:
            pass


def test_socket_that_another_process_has_as_well_keeps_its_clients(bound: Keep, tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    unix = bound(bind_unix(path))
    unix.is_shared = True
    unix.refuse()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_clients_of_a_port_that_listens_again_are_let_in(anywhere: Bound) -> None:
    assert anywhere.keep_away()
    anywhere.suspend()
    anywhere.resume()
    with socket.create_connection(anywhere.socket.getsockname(), 5):
        pass


def test_adopted_port_lets_clients_in(bound: Keep, anywhere: Bound) -> None:
    assert anywhere.keep_away()
    bound(adopt(anywhere.socket.dup()))
    with socket.create_connection(anywhere.socket.getsockname(), 5):
        pass
