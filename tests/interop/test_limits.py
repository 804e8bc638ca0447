"""What is bounded: memory when a reader stalls, and connections when file descriptors run out."""

import contextlib
import socket
import threading
from collections.abc import Sequence

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import single
from tests.interop.recorder import GREETING, Recorded, echo
from tests.interop.waiting import PATIENCE_SECONDS, is_ready, until

MEBIBYTE = 1 << 20
PUSHED = 1 << 30
GROWTH = 2 * MEBIBYTE
WARM_UP = 8 * MEBIBYTE

DESCRIPTORS = 96
CLIENTS = 80  # more than fit: a session has two connections
QUIET_SECONDS = 0.5
CALM_SECONDS = 2.0  # without a further greeting, there are no descriptors for one


class Pusher:
    """A backend that greets and then sends as much as it can of a gibibyte, but the warm-up first when told."""

    def __init__(self) -> None:
        self.pushed = 0
        self.may_flood = threading.Event()

    def __call__(self, recorded: Recorded) -> None:
        recorded.socket.sendall(GREETING)
        self._push(recorded.socket, WARM_UP)
        assert self.may_flood.wait(PATIENCE_SECONDS)
        self._push(recorded.socket, PUSHED)

    def _push(self, connection: socket.socket, count: int) -> None:
        block = bytes(256 * 1024)
        for _ in range(count // len(block)):
            connection.sendall(block)
            self.pushed += len(block)


class HeldBack:
    """True once the backend has not got rid of anything for a while."""

    def __init__(self, pusher: Pusher) -> None:
        self._pusher = pusher
        self._pushed = -1
        self._looks = 0

    def __call__(self) -> bool:
        self._looks = self._looks + 1 if self._pusher.pushed == self._pushed else 0
        self._pushed = self._pusher.pushed
        return self._looks >= 50


def take(connection: socket.socket, count: int) -> None:
    """Read exactly this number of bytes."""
    space = bytearray(MEBIBYTE)
    while count:
        size = connection.recv_into(space, min(count, len(space)))
        assert size, f"{count} bytes are missing"
        count -= size


@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_gibibyte_pushed_at_a_stalled_client_does_not_grow_the_process(
    front: StartFront, recorder: StartRecorder, pki: Certificates, tls: str
) -> None:
    pusher = Pusher()
    configuration, port = single(pki.server_ec, recorder(pusher).port, tls=tls)
    process = front(configuration).process
    with connect(port) if tls == "none" else connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        take(connection, WARM_UP)
        before = process.memory()
        pusher.may_flood.set()
        until(HeldBack(pusher), "the backend to be held back")
        assert pusher.pushed < WARM_UP + PUSHED
        assert process.memory() - before < GROWTH
        take(connection, PUSHED)
        assert process.memory() - before < GROWTH


@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_bytes_pushed_at_a_stalled_backend_do_not_grow_the_process(
    front: StartFront, recorder: StartRecorder, pki: Certificates, tls: str
) -> None:
    ended = threading.Event()

    def take_the_warm_up_only(recorded: Recorded) -> None:
        recorded.socket.sendall(GREETING)
        take(recorded.socket, WARM_UP)
        recorded.socket.sendall(b"taken\r\n")
        assert ended.wait(PATIENCE_SECONDS)

    configuration, port = single(pki.server_ec, recorder(take_the_warm_up_only).port, tls=tls)
    process = front(configuration).process
    with connect(port) if tls == "none" else connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        connection.sendall(bytes(WARM_UP))
        assert read_line(connection) == b"taken\r\n"
        before = process.memory()
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(64 * MEBIBYTE))
        assert process.memory() - before < GROWTH
        ended.set()


class Served:
    """The clients that have been greeted, once no further one is for a while."""

    def __init__(self, clients: Sequence[socket.socket]) -> None:
        self._clients = clients
        self.clients: list[socket.socket] = []

    def __call__(self) -> bool:
        before = self.clients
        self.clients = [client for client in self._clients if is_ready(client, 0)]
        return len(self.clients) == len(before)


def test_accepting_pauses_when_descriptors_run_out_and_resumes_when_sessions_end(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, tls="none")
    process = front(configuration, descriptors=DESCRIPTORS).process
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(CLIENTS)]
        # However busy the machine: there are descriptors for so many.
        until(lambda: sum(is_ready(client, 0) for client in clients) >= DESCRIPTORS // 4, "the first greetings")
        until(served := Served(clients), "the last greeting", pause=CALM_SECONDS)
        waiting = [client for client in clients if client not in served.clients]
        assert waiting
        cpu = process.cpu_seconds()
        assert not is_ready(waiting[0], QUIET_SECONDS)
        assert process.cpu_seconds() - cpu < QUIET_SECONDS / 2  # it waits, it does not spin
        for connection in served.clients:
            assert read_line(connection) == GREETING
            connection.sendall(b"a NOOP\r\n")
            assert read_line(connection) == b"a NOOP\r\n"
        for connection in served.clients:
            connection.close()
        for connection in waiting[: len(served.clients)]:
            assert read_line(connection) == GREETING


def test_descriptors_that_run_out_in_spite_of_the_configured_limit_are_survived(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, tls="none")
    running = front({"maxconn": 10_000, **configuration}, descriptors=DESCRIPTORS)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(connect(port))
        assert read_line(first) == GREETING
        for _ in range(2 * DESCRIPTORS):
            stack.enter_context(connect(port))
        first.sendall(b"a NOOP\r\n")
        assert read_line(first) == b"a NOOP\r\n"

    def served() -> bool:
        with connect(port) as connection:
            return read_line(connection) == GREETING

    # The sessions before may still be ending: then there is a descriptor for the client, but none for a server.
    until(served, "a client that is served again")
    assert running.process.is_alive
