"""The admin socket: the users that may connect, and the limit on clients."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs

from mailproxy.control.admin_socket import MAX_CLIENTS, AdminSocket, peer_credentials
from mailproxy.front.descriptors import ADMIN_DESCRIPTORS
from mailproxy.transport.binding import bind_unix
from tests.control.bench import Transport
from tests.session.bench import FakeReactor


class Reactor(FakeReactor):
    """A reactor that connects what it adopts with a transport of the test's."""

    def __init__(self) -> None:
        super().__init__()
        self.transports: list[Transport] = []
        self.fails = False

    def adoptStreamConnection(self, descriptor: int, family: int, factory: AdminSocket) -> None:
        if self.fails:
            raise OSError("gone")
        transport = Transport()
        self.transports.append(transport)
        factory.buildProtocol(None).makeConnection(transport)


class Bench:
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.reactor = Reactor()
        self.loop = self
        self.poller = self.reactor.poller
        self.others = ()
        running: Any = self
        self.user = os.geteuid()
        """Who connects."""
        self.admin = AdminSocket(running, self.reactor, credentials=lambda sock: (4711, self.user, 100))
        self.path = str(folder / "admin.sock")
        self.bound = bind_unix(self.path, 0o600)
        self.admin.open(self.bound)
        self._stack = stack
        stack.callback(self.poller.close)
        stack.callback(self.bound.close)
        stack.callback(self.admin.open, None)

    def connect(self) -> socket.socket:
        client = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        client.settimeout(5)
        client.connect(self.path)
        self.poller.poll(1)
        return client


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with capturedLogs(), ExitStack() as stack:
        yield Bench(tmp_path, stack)


def last_words(client: socket.socket) -> str:
    """The error that a refused client gets."""
    with client.makefile("rb") as file:
        (line,) = file.readlines()
    return str(json.loads(line)["error"])


def test_own_user_is_let_in(bench: Bench) -> None:
    bench.connect()
    (transport,) = bench.reactor.transports
    assert json.loads(transport.value())["type"] == "hello"


@pytest.mark.parametrize(("user", "is_let_in"), [(0, True), (1234, True), (1235, False), (65534, False)])
def test_only_root_and_the_own_user_are_let_in(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, user: int, is_let_in: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    bench.user = user
    client = bench.connect()
    assert len(bench.reactor.transports) == is_let_in
    if not is_let_in:
        assert last_words(client) == f"user {user} is not allowed: only root and user 1234 are"


def test_kernel_says_who_has_connected() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_credentials(ours) == (os.getpid(), os.geteuid(), os.getegid())


def test_client_beyond_the_bound_gets_the_reason(bench: Bench) -> None:
    for _ in range(MAX_CLIENTS):
        bench.connect()
    assert last_words(bench.connect()) == f"{MAX_CLIENTS} clients are connected, which is the limit"
    assert len(bench.reactor.transports) == MAX_CLIENTS


def test_descriptors_are_kept_forclients() -> None:
    assert ADMIN_DESCRIPTORS == MAX_CLIENTS + 2


def test_place_of_a_client_that_left_is_free(bench: Bench) -> None:
    for _ in range(MAX_CLIENTS):
        bench.connect()
    next(iter(bench.admin.clients)).connectionLost()
    bench.connect()
    assert len(bench.reactor.transports) == MAX_CLIENTS + 1


def test_client_that_is_gone_takes_no_place(bench: Bench) -> None:
    bench.reactor.fails = True
    bench.connect()
    assert bench.admin.clients == set()


def test_another_socket_takes_the_place_of_the_first(bench: Bench, tmp_path: Path) -> None:
    bench.connect()
    bench.admin.open(bench.bound)
    other = bind_unix(str(tmp_path / "other.sock"), 0o600)
    bench.admin.open(other)
    bench.connect()
    assert len(bench.reactor.transports) == 1
    bench.path = str(tmp_path / "other.sock")
    bench.connect()
    assert len(bench.reactor.transports) == 2
    bench.admin.open(None)
    other.close()


def test_clients_are_seen_off_in_the_end(bench: Bench) -> None:
    bench.connect()
    bench.admin.close()
    assert bench.reactor.transports[0].disconnecting
