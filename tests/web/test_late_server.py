"""HTTP for administrators that begins when its modules are imported."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, globalLogPublisher

from mailproxy.config import Admin
from mailproxy.control.answers import Answers
from mailproxy.control.watch import Watch
from mailproxy.front.files import Http
from mailproxy.transport.binding import bind_inet
from mailproxy.transport.bound import Bound
from mailproxy.web.late_server import LateServer
from tests.control.conftest import Make


class Imports:
    """Stands for a background thread: imports are done when the test says so."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def do(self, work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._waiting.append((work, done))
        return done

    def finish(self) -> None:
        waiting, self._waiting = self._waiting, []
        for work, done in waiting:
            done.callback(work())

    def fail(self, error: Exception) -> None:
        ((_, done),) = self._waiting
        done.errback(error)


class Bench:
    """A late server, and a socket that it may accept from."""

    def __init__(self, make: Make) -> None:
        self.running = make()
        background: Any = Imports()
        self.imports: Imports = background
        watch = Watch(globalLogPublisher)
        service, reactor = self.running.service, self.running.reactor
        answers = Answers(service, watch.__len__, lambda: ())
        self.server = LateServer(service, reactor, background, answers, watch)
        self.bound = bind_inet(socket.AF_INET, "127.0.0.1", 0)

    def open(self, bound: Bound | None = None) -> None:
        self.server.open(bound or self.bound, Admin(http_allow=()), Http())

    @property
    def failures(self) -> list[LogEvent]:
        return [event for event in self.running.events if "log_failure" in event]

    def is_accepting(self, bound: Bound | None = None) -> bool:
        """Whether the server accepts a client; it closes the connection, as no network is allowed."""
        with socket.create_connection((bound or self.bound).socket.getsockname()) as client:
            client.setblocking(False)
            for _ in range(3):
                self.running.reactor.poller.poll(0.02)
            try:
                return client.recv(1) == b""
            except BlockingIOError:
                return False


@pytest.fixture
def bench(make: Make) -> Iterator[Bench]:
    made = Bench(make)
    yield made
    made.server.close()
    made.bound.close()


def test_clients_wait_for_the_import(bench: Bench) -> None:
    bench.open()
    assert not bench.is_accepting()
    bench.imports.finish()
    assert bench.is_accepting()


def test_latest_socket_is_used_after_the_import(bench: Bench) -> None:
    other = bind_inet(socket.AF_INET, "127.0.0.1", 0)
    bench.open(other)
    bench.open()
    bench.imports.finish()
    assert (bench.is_accepting(other), bench.is_accepting()) == (False, True)
    other.close()


def test_two_imports_make_one_server(bench: Bench) -> None:
    before = len(bench.running.reactor.getDelayedCalls())
    bench.open()
    bench.open()
    bench.imports.finish()
    assert bench.is_accepting()
    bench.server.close()
    assert len(bench.running.reactor.getDelayedCalls()) == before  # those of another server would continue


@pytest.mark.parametrize("end", [LateServer.stop_accepting, LateServer.close])
def test_server_that_is_closed_during_the_import_does_not_begin(
    bench: Bench, end: Callable[[LateServer], None]
) -> None:
    bench.open()
    end(bench.server)
    bench.imports.finish()
    assert not bench.is_accepting()
    assert bench.failures == []


def test_server_opens_again_after_its_end(bench: Bench) -> None:
    for _ in range(2):
        bench.open()
        bench.imports.finish()
        assert bench.is_accepting()
        bench.server.close()
        assert not bench.is_accepting()


def test_failed_import_is_logged(bench: Bench) -> None:
    bench.open()
    bench.imports.fail(ImportError("no module named x"))
    (event,) = bench.failures
    assert event["log_format"] == "HTTP for administrators does not work"
