"""Sockets that listen: told in words, paused, closed."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from mailproxy.transport.binding import bind_inet, bind_unix
from mailproxy.transport.bound import Bound
from tests.transport.conftest import Keep


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


# UNIX sockets.


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
