"""Where the demo listens."""

import socket
from collections.abc import Callable

import pytest

from mailproxy.demo import ports
from mailproxy.demo.ports import FRONT, HIGHEST_BASE, LOWEST_BASE, Ports, PortsTaken, choose


def is_free_but(*taken: int) -> Callable[[str, int], bool]:
    return lambda host, port: port not in taken


def test_ports_are_those_that_everybody_knows_above_the_base() -> None:
    found = Ports(10000)
    assert (found.implicit["imap"], found.starttls["imap"], found.servers["imap"]) == (10993, 10143, 11143)


@pytest.mark.parametrize("base", [LOWEST_BASE, HIGHEST_BASE])
def test_no_two_have_the_same_port(base: int) -> None:
    sockets = list(Ports(base).sockets())
    assert len(set(sockets)) == len(sockets)
    assert all(1024 <= port < 65536 for _, port in sockets)


def test_next_base_is_taken_if_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", is_free_but(11143))
    assert choose(None).base == 20000


def test_base_that_is_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", is_free_but())
    assert choose(30000).base == 30000


@pytest.mark.parametrize(("base", "port"), [(30000, 30993), (None, 20110)])
def test_no_free_base_is_an_error(monkeypatch: pytest.MonkeyPatch, base: int | None, port: int) -> None:
    monkeypatch.setattr(ports, "_is_free", is_free_but(30993, 10143, 20110))
    with pytest.raises(PortsTaken, match=f":{port}: choose other ports with --port BASE"):
        choose(base)


def test_listener_is_found() -> None:
    with socket.create_server((FRONT, 0)) as server:
        assert not ports._is_free(FRONT, server.getsockname()[1])


def test_free_port_is_found() -> None:
    with socket.create_server((FRONT, 0)) as server:
        port = server.getsockname()[1]
    assert ports._is_free(FRONT, port)
