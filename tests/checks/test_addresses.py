"""Servers with host names: they have the addresses from DNS, also after a reload."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.checks.addresses import Addresses
from mailproxy.config import NamedServer
from mailproxy.names.record import Record
from mailproxy.transport.poller import Poller

ONE, TWO, THREE = (Record(ip_address(f"192.0.2.{number}"), 143) for number in (1, 2, 3))


class FakeNames:
    """Gives a test's answers to all followers of a name."""

    def __init__(self) -> None:
        self._changed: list[Any] = []

    def follow(self, address: object, prefer: object, changed: Any) -> FakeNames:
        self._changed.append(changed)
        return self

    def stop(self) -> None:
        self._changed.clear()

    def answer(self, *records: Record) -> None:
        for changed in self._changed:
            changed(records)


class Bench:
    """The addresses of one backend, read again and again."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self.names = FakeNames()
        self.addresses: Addresses | None = None
        self.servers: tuple[BackendServer, ...] = ()

    def read(self, **changes: Any) -> None:
        known = {server.name: server for server in self.servers}
        server = config.Server(name="d", address=NamedServer("mail.example.org", 143), count=3, **changes)
        backend = Backend(config.Backend(name="b", send_proxy="none", servers=(server,)), "imap", None, known)
        if self.addresses is not None:
            self.addresses.stop()
        self.servers = tuple(backend.pool.servers)
        self.addresses = Addresses(backend, self.names, self._poller)
        self.addresses.start()

    @property
    def hosts(self) -> list[str | None]:
        return [None if server.target is None else server.target.address[0] for server in self.servers]


@pytest.fixture
def bench() -> Iterator[Bench]:
    poller = Poller()
    yield Bench(poller)
    poller.close()


def test_servers_are_where_dns_says(bench: Bench) -> None:
    bench.read()
    assert bench.hosts == [None, None, None]
    bench.names.answer(ONE, TWO)
    assert bench.hosts == ["192.0.2.1", "192.0.2.2", None]


@pytest.mark.parametrize("changes", [{}, {"weight": 7}])
def test_servers_stay_in_their_slots_when_the_configuration_is_read_again(
    bench: Bench, changes: dict[str, Any]
) -> None:
    bench.read()
    bench.names.answer(ONE, TWO)
    bench.names.answer(TWO, THREE)
    bench.read(**changes)
    bench.names.answer(TWO, THREE)
    assert bench.hosts == ["192.0.2.3", "192.0.2.2", None]


@pytest.mark.parametrize("changes", [{}, {"weight": 7}])
def test_address_that_has_gone_meanwhile_goes(bench: Bench, changes: dict[str, Any]) -> None:
    bench.read()
    bench.names.answer(ONE, TWO, THREE)
    bench.read(**changes)
    bench.names.answer(ONE, THREE)
    assert bench.hosts == ["192.0.2.1", None, "192.0.2.3"]
