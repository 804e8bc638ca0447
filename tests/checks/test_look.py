"""The first look at servers that no check looks at: do they understand the header?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from twisted.logger import LogEvent, capturedLogs

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import inet_target
from mailproxy.checks.look import FirstLook
from mailproxy.config import BackendTimeouts, Check, InetServer, NamedServer
from mailproxy.config.model import MailProtocol
from tests.checks.bench import Bench

IGNORANT = b"* OK ready\r\n* BAD Error\r\n"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"


@pytest.fixture
def events() -> Iterator[Sequence[LogEvent]]:
    with capturedLogs() as events:
        yield events


def backend_of(bench: Bench, protocol: MailProtocol = "imap", check: Check | None = None, **keys: Any) -> Any:
    host, port = bench.address
    server: dict[str, Any] = {"name": "s", "address": InetServer(ip_address(host), port)}
    if check is not None:
        server["check"] = check
    settings: dict[str, Any] = {
        "name": "b",
        "profile": "dovecot",
        "timeout": BackendTimeouts(connect=1.0),
        "servers": (config.Server(**server | keys.pop("server", {})),),
    }
    return Backend(config.Backend(**settings | keys), protocol)


def looking(bench: Bench, backend: Any) -> FirstLook:
    look = FirstLook(backend, poller=bench.poller, timeouts=bench.timeouts)
    look.start()
    bench.at_the_end(look.stop)
    return look


def is_looked_at(bench: Bench) -> bool:
    bench.advance(0.25)
    try:
        bench.listening.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize(
    "check",
    [None, Check(type="tcp"), Check(type="http"), Check(type="login"), Check(type="mail", port=143, header="none")],
    ids=["none", "tcp", "http", "login", "elsewhere"],
)
def test_server_that_answers_the_header_is_reported_once(
    bench: Bench, events: Sequence[LogEvent], check: Check | None
) -> None:
    looking(bench, backend_of(bench, check=check))
    server = bench.accept(IGNORANT)
    bench.until(lambda: server.data)
    assert server.data.startswith(LOCAL)
    bench.until(lambda: events)
    (event,) = events
    assert (event["log_level"].name, event["event"], event["server"]) == ("warn", "header", "s")
    assert event["reason"] == (
        'answered the PROXY header with "* BAD Error": its listener expects none; '
        'set haproxy = yes there, or send-proxy = "none"'
    )
    assert not is_looked_at(bench)


def test_server_that_understands_is_not_reported(bench: Bench, events: Sequence[LogEvent]) -> None:
    looking(bench, backend_of(bench))
    server = bench.accept(b"* OK ready\r\n")
    bench.until(lambda: server.data.endswith(b"a2 LOGOUT\r\n"))
    server.send(b"* BYE\r\na2 OK\r\n")
    bench.until(lambda: server.fin)
    assert list(events) == []


def test_server_that_is_down_is_not_reported_here(bench: Bench, events: Sequence[LogEvent]) -> None:
    looking(bench, backend_of(bench))
    bench.accept().end()
    bench.advance(2.0)
    assert list(events) == []


@pytest.mark.parametrize(
    ("protocol", "settings"),
    [
        ("imap", {"check": Check(type="mail", header="local")}),
        ("imap", {"check": Check(type="none", has_first_look=False)}),
        ("imap", {"send_proxy": "none"}),
        ("tcp", {}),
    ],
    ids=["mail", "no-checks", "no-header", "tcp"],
)
def test_there_is_no_look_where_nothing_is_to_be_seen(
    bench: Bench, protocol: MailProtocol, settings: dict[str, Any]
) -> None:
    looking(bench, backend_of(bench, protocol, **settings))
    assert not is_looked_at(bench)


def test_server_by_name_is_looked_at_once_when_its_address_is_known(bench: Bench, events: Sequence[LogEvent]) -> None:
    backend = backend_of(bench, server={"address": NamedServer("imap.example.org", 143)})
    looking(bench, backend)
    host, port = bench.address
    (server,) = backend.pool.servers
    backend.pool.set_target(server, inet_target(ip_address(host), port, None), 1.0)
    bench.accept(IGNORANT)
    bench.until(lambda: events)
    backend.pool.set_target(server, None, 2.0)
    backend.pool.set_target(server, inet_target(ip_address(host), port, None), 3.0)
    assert not is_looked_at(bench)


def test_look_that_is_stopped_ends(bench: Bench) -> None:
    look = looking(bench, backend_of(bench))
    server = bench.accept()
    look.stop()
    bench.until(lambda: server.fin or server.reset)
