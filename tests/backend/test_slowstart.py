"""Slowstart continues without clients."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from twisted.internet.task import Clock

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.slowstart import Slowstart
from mailproxy.transport.poller import Poller

SERVER = config.Server(
    name="d1",
    address=config.InetServer(ip_address("127.0.0.1"), 1),
    check=config.Check(type="tcp", rise=1, fall=1),
    slowstart=10.0,
    maxconn=20,
)


class Bench:
    """A backend whose only server has just come up again."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.poller = Poller(self.clock.seconds)
        backend = Backend(config.Backend(name="pool", servers=(SERVER,)), "imap")
        (self.server,) = backend.pool.servers
        self.slowstart = Slowstart(backend, clock=self.clock, poller=self.poller)
        self.slowstart.start()
        backend.pool.failed(self.server, self.poller.now, "gone")
        backend.pool.passed(self.server, self.poller.now)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.poller.close()


def test_places_grow_while_nobody_comes(bench: Bench) -> None:
    assert bench.server.places < 10
    for _ in range(100):
        bench.clock.advance(0.125)
    assert bench.server.places == 20


def test_nothing_continues_after_the_stop(bench: Bench) -> None:
    bench.slowstart.stop()
    assert bench.clock.getDelayedCalls() == []
