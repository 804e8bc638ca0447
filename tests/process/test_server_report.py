"""How sessions of a worker fare with a server, reported to the main process."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from attrs import evolve

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.config import InetServer, Server
from mailproxy.process.message import Missed, Reached
from mailproxy.process.server_report import report_sessions, take_report

CHECK = config.Check(type="tcp", rise=1, fall=1)
SERVER = Server(name="d1", address=InetServer(ip_address("192.0.2.1"), 143), check=CHECK, error_limit=2)
MISSED = Missed("dovecot", "imap", "d1", "refused", b"1234")
REACHED = Reached("dovecot", "imap", "d1")


@pytest.fixture
def backend() -> Backend:
    return Backend(config.Backend(name="dovecot", servers=(SERVER,), ports={"imap": 143}), "imap")


def test_worker_reports_what_its_sessions_meet(backend: Backend) -> None:
    sent: list[object] = []
    report_sessions(backend, sent.append)
    (server,) = backend.pool.servers
    backend.failed(server, 1.0, "refused", b"1234")
    assert server.health is not None
    server.health.errors = 1
    backend.succeeded(server)
    assert sent == [MISSED, REACHED]
    assert server.health.errors == 0


def test_first_error_and_the_success_after_it_are_news(backend: Backend) -> None:
    (server,) = backend.pool.servers
    assert take_report(REACHED, backend, 1.0) is None
    assert take_report(MISSED, backend, 2.0) is server
    assert take_report(REACHED, backend, 3.0) is server


def test_errors_of_workers_add_up(backend: Backend) -> None:
    for source in (b"1234", b"5678"):
        take_report(evolve(MISSED, source=source), backend, 1.0)
    assert not backend.pool.servers[0].is_up


def test_server_that_is_not_there_any_more_is_passed_over(backend: Backend) -> None:
    assert take_report(Reached("dovecot", "imap", "d9"), backend, 1.0) is None
