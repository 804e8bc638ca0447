"""Whether the process works, and whether it wants clients."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from mailproxy.config import Backend, Frontend, InetServer, Server
from mailproxy.config.condition import Condition
from mailproxy.config.condition_numbers import ServersUp
from mailproxy.config.rule import Rule
from mailproxy.config.text_pattern import TextPattern
from mailproxy.transport.newcomers import HANDSHAKE_SECONDS
from tests.control.conftest import Make
from tests.running import ANY_PORT, LOOPBACK, Running
from tests.web.bench import Web


def web_of(running: Running) -> Web:
    return Web(running.service, running.reactor, globalLogPublisher)


def needing(make: Make, *, needs: bool) -> Running:
    """A frontend that needs a server, or does not, and its backend."""
    frontend = Frontend(
        name="imap", bind=(ANY_PORT,), protocol="imap", tls="none", backend="pool", ready_needs_server=needs
    )
    server = Server(name="d1", address=InetServer(LOOPBACK, 1))
    return make(frontends=(frontend,), backends={"pool": Backend(name="pool", send_proxy="none", servers=(server,))})


def answer_of(web: Web, path: str = "/readyz") -> tuple[int, str]:
    response = web.get(path)
    return response.status, response.body.decode()


def test_process_that_works_says_so(make: Make) -> None:
    assert answer_of(web_of(make()), "/livez") == (200, "ok\n")


def test_service_that_wants_clients_says_so(make: Make) -> None:
    assert answer_of(web_of(make())) == (200, "ready\n")


def test_service_that_stops_wants_none(make: Make) -> None:
    running = make()
    running.service.stop.drain()
    web = web_of(running)
    assert answer_of(web) == (503, "not ready: the service stops\n")
    assert answer_of(web, "/livez") == (200, "ok\n")


def test_service_without_a_listener_wants_none(make: Make) -> None:
    running = make()
    drained = running.service.drains.frontend("front")
    running.reactor.advance(HANDSHAKE_SECONDS)
    assert drained.called
    web = web_of(running)
    assert answer_of(web) == (503, "not ready: no frontend listens\n")
    running.service.drains.frontend_ready("front")
    assert answer_of(web) == (200, "ready\n")


def test_rule_for_everybody_chooses_the_backend_that_needs_a_server(make: Make) -> None:
    fallback = Rule(
        name="fallback", condition=Condition(servers_up=ServersUp(backend="pool", under=1)), backend="other"
    )
    archive = Rule(name="archive", condition=Condition(client_cn=(TextPattern("backup"),)), backend="archive")
    label = Rule(name="label", label="mail")
    frontend = Frontend(
        name="imap",
        bind=(ANY_PORT,),
        protocol="imap",
        tls="none",
        backend="pool",
        ready_needs_server=True,
        rules=(archive, label, fallback),
    )
    servers = (Server(name="d1", address=InetServer(LOOPBACK, 1)),)
    names = ("pool", "other", "archive")
    running = make(
        frontends=(frontend,), backends={name: Backend(name=name, send_proxy="none", servers=servers) for name in names}
    )
    web = web_of(running)

    def take_out(backend: str) -> None:
        pool = running.service.generation.backends[backend, "imap"].pool
        pool.set_state(pool.servers[0], "maint", running.reactor.seconds(), "by hand")

    take_out("pool")
    assert answer_of(web) == (200, "ready\n")
    take_out("other")
    assert answer_of(web) == (503, "not ready: frontend imap: no server of backend other is up for imap\n")


@pytest.mark.parametrize(
    ("needs", "answer"),
    [
        (True, (503, "not ready: frontend imap: no server of backend pool is up for imap\n")),
        (False, (200, "ready\n")),
    ],
)
def test_frontend_that_needs_a_server_has_none(make: Make, needs: bool, answer: Any) -> None:
    running = needing(make, needs=needs)
    pool = running.service.generation.backends["pool", "imap"].pool
    web = web_of(running)
    assert answer_of(web) == (200, "ready\n")
    pool.set_state(pool.servers[0], "maint", running.reactor.seconds(), "by hand")
    assert answer_of(web) == answer
