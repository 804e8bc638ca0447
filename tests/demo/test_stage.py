"""The ports that the demo's front takes."""

import socket

from mailproxy.demo.stage import LOOPBACK, free_port


def test_preferred_port_is_taken_if_it_is_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
    assert free_port(port) == port


def test_another_port_is_taken_if_somebody_listens() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        assert free_port(port) not in (port, 0)
