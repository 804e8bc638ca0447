"""Sockets that listen until a test ends."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from twisted.logger import capturedLogs

from mailproxy.transport.binding import bind_inet
from mailproxy.transport.bound import Bound

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
