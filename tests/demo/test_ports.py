"""Where the demo listens."""

import socket

import pytest

from mailproxy.demo.ports import FRONT, HIGHEST_BASE, LOWEST_BASE, IsFree, Ports, PortsTaken, choose, is_port_free


def is_free_but(*taken: int) -> IsFree:
    return lambda host, port: port not in taken


def test_ports_are_those_that_everybody_knows_above_the_base() -> None:
    found = Ports(10000)
    assert (found.implicit["imap"], found.starttls["imap"], found.servers["imap"]) == (10993, 10143, 11143)


@pytest.mark.parametrize("base", [LOWEST_BASE, HIGHEST_BASE])
def test_no_two_have_the_same_port(base: int) -> None:
    sockets = list(Ports(base).sockets())
    assert len(set(sockets)) == len(sockets)
    assert all(1024 <= port < 65536 for _, port in sockets)


def test_next_base_is_taken_if_somebody_listens() -> None:
    assert choose(None, is_free_but(11143)).base == 20000


def test_base_that_is_asked_for_is_taken() -> None:
    assert choose(30000, is_free_but()).base == 30000


@pytest.mark.parametrize(("base", "port"), [(30000, 30993), (None, 20110)])
def test_no_free_base_is_an_error(base: int | None, port: int) -> None:
    with pytest.raises(PortsTaken, match=f":{port}: choose other ports with --port BASE"):
        choose(base, is_free_but(30993, 10143, 20110))


def test_listener_is_found() -> None:
    with socket.create_server((FRONT, 0)) as server:
        assert not is_port_free(FRONT, server.getsockname()[1])


def test_free_port_is_found() -> None:
    with socket.create_server((FRONT, 0)) as server:
        port = server.getsockname()[1]
    assert is_port_free(FRONT, port)
