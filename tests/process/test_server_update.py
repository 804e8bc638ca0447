"""Copying the state of servers from one process to another."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from attrs import evolve

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer, inet_target
from mailproxy.config import InetServer, NamedServer, Server
from mailproxy.names.record import Record
from mailproxy.process.server_update import apply, update_of

KEY = ("dovecot", "imap")
WHERE = InetServer(ip_address("192.0.2.1"), 143)
CHECKED = Server(name="d1", address=WHERE, check=config.Check(type="tcp", rise=1, fall=1), slowstart=10.0, maxconn=20)
NAMED = Server(name="d1", address=NamedServer("mail.example.org", 143))


class Both:
    """The same backend in two processes."""

    def __init__(self, server: Server) -> None:
        settings = config.Backend(name="dovecot", servers=(server,), ports={"imap": 143})
        self.main, self.worker = Backend(settings, "imap"), Backend(settings, "imap")
        self.events: list[str] = []
        self.worker.observers.append(lambda change: self.events.append(change.event))

    @property
    def servers(self) -> tuple[BackendServer, BackendServer]:
        return self.main.pool.servers[0], self.worker.pool.servers[0]

    def update(self, now: float = 1.0) -> None:
        apply(update_of(KEY, self.servers[0]), self.worker, now)

    def check_same(self) -> None:
        main, worker = (evolve(update_of(KEY, server), reason="") for server in self.servers)
        assert main == worker
        assert self.servers[0].share == self.servers[1].share
        assert self.servers[0].places == self.servers[1].places


@pytest.fixture
def both() -> Both:
    return Both(CHECKED)


def test_worker_learns_that_a_server_goes_down_and_comes_back(both: Both) -> None:
    pool, server = both.main.pool, both.servers[0]
    pool.failed(server, 1.0, "gone")
    both.update()
    both.check_same()
    assert both.worker.pool.is_empty
    assert both.servers[1].why == "gone"
    pool.passed(server, 2.0)
    both.update(2.5)
    both.check_same()
    assert both.events == ["down", "no-server", "up"]
    assert both.servers[1].ramp_began == 2.0


def test_worker_learns_what_is_wanted_of_a_server(both: Both) -> None:
    pool, server = both.main.pool, both.servers[0]
    pool.set_state(server, "drain", 1.0)
    pool.set_agent_state(server, "maint", 1.0)
    pool.set_weight(server, 7.5, 1.0)
    pool.set_maxconn(server, 3, 1.0)
    pool.set_backup(server, True, 1.0)
    both.update()
    both.check_same()


def test_nothing_happens_when_nothing_has_changed(both: Both) -> None:
    both.update()
    both.update()
    assert both.events == []


def test_worker_learns_each_address_of_a_name() -> None:
    both = Both(NAMED)
    server = both.servers[0]
    for record in (Record(ip_address("192.0.2.1"), None), Record(ip_address("192.0.2.2"), 10143)):
        server.record = record
        both.main.pool.set_target(server, inet_target(record.host, record.port or 143, None), 1.0)
        both.update()
        both.update()
        assert str(both.servers[1].target) == str(server.target)
    server.record = None
    both.main.pool.set_target(server, None, 1.0)
    both.update()
    assert both.servers[1].target is None
    assert both.events == ["address", "address", "no-address", "no-server"]


def test_server_that_was_not_reached_is_watched_until_it_is(both: Both) -> None:
    both.main.failed(both.servers[0], 1.0, "refused")
    both.update()
    reached: list[str] = []
    both.worker.reached = lambda server: reached.append(server.name)
    both.worker.succeeded(both.servers[1])
    assert reached == ["d1"]


def test_server_that_is_not_there_any_more_is_passed_over(both: Both) -> None:
    apply(evolve(update_of(KEY, both.servers[0]), server="d9", is_up=False), both.worker, 1.0)
    assert both.servers[1].is_up
