"""Clients and backends that fall silent, and clients that go while a backend is being dialled."""

import contextlib
import threading
import time

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import single
from tests.interop.recorder import GREETING, Recorded, echo, greet_and_half_close, stall
from tests.interop.server import reset, until_end
from tests.interop.waiting import PATIENCE_SECONDS, SLACK_SECONDS, is_ready

SECONDS = 0.5
BUSY_SECONDS = 3.0  # a client that speaks five times in this time is never silent for as long


@pytest.mark.parametrize("side", ["client", "server"])
def test_silence_on_both_sides_ends_the_session_politely(
    front: StartFront, recorder: StartRecorder, pki: Certificates, side: str
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, timeout={side: "500ms"})
    running = front(configuration)
    began = time.monotonic()
    with connect_tls(port, pki.client(), strict_end=True) as connection:
        client = connection.getsockname()
        assert read_line(connection) == GREETING
        assert connection.recv(1) == b""
        assert SECONDS * 0.9 < time.monotonic() - began < SECONDS + SLACK_SECONDS
    assert running.session(client)["termination"] == f"{side[0]}D"


def test_a_session_with_traffic_outlives_the_time_for_silence(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    timeout = {"client": f"{BUSY_SECONDS:.0f}s", "server": f"{BUSY_SECONDS:.0f}s"}
    configuration, port = single(pki.server_ec, recorder(echo()).port, timeout=timeout)
    front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        began = time.monotonic()
        while time.monotonic() - began < 2 * BUSY_SECONDS:
            connection.sendall(b"a NOOP\r\n")
            assert read_line(connection) == b"a NOOP\r\n"
            assert not is_ready(connection, BUSY_SECONDS / 5)  # a pause between two commands


def test_client_that_never_ends_has_less_time_once_the_backend_has_ended(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    timeout = {"client-fin": "500ms", "server-fin": "500ms", "close": "100ms"}
    configuration, port = single(pki.server_ec, recorder(greet_and_half_close).port, timeout=timeout)
    running = front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        assert connection.recv(1) == b""
        began = time.monotonic()
        running.session(connection.getsockname())
        assert time.monotonic() - began < SECONDS + SLACK_SECONDS


def test_backend_that_never_ends_has_less_time_once_the_client_has_ended(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    over = threading.Event()

    def greet_and_linger(recorded: Recorded) -> None:
        recorded.socket.sendall(GREETING)
        until_end(recorded.socket)
        assert over.wait(PATIENCE_SECONDS)

    timeout = {"client-fin": "500ms", "server-fin": "500ms", "close": "100ms"}
    configuration, port = single(pki.server_ec, recorder(greet_and_linger).port, timeout=timeout)
    running = front(configuration)
    with connect_tls(port, pki.client()) as connection:
        client = connection.getsockname()
        assert read_line(connection) == GREETING
    began = time.monotonic()
    running.session(client)
    assert time.monotonic() - began < SECONDS + SLACK_SECONDS
    over.set()


def test_client_that_does_not_close_is_closed_in_the_end(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, timeout={"client": "300ms", "close": "300ms"})
    running = front(configuration)
    with connect(port) as raw, contextlib.ExitStack() as stack:
        connection = stack.enter_context(pki.client().wrap_socket(raw, server_hostname="mail.example.org"))
        assert read_line(connection) == GREETING
        running.session(connection.getsockname())  # though the client still has its end open


@pytest.mark.parametrize(
    ("early", "connect_seconds"),
    [
        pytest.param(b"", "60s", id="silent client"),
        # Bytes that wait for the backend's greeting hide the reset behind them, at most until the dial is over.
        pytest.param(b"a LOGOUT\r\n", "500ms", id="client that has spoken"),
    ],
)
@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_client_that_resets_while_a_backend_is_dialled_frees_the_backend(
    front: StartFront, recorder: StartRecorder, pki: Certificates, tls: str, early: bytes, connect_seconds: str
) -> None:
    backend = recorder(stall)
    patience = {"backend_timeout": {"connect": connect_seconds}, "backend_retries": 0}
    configuration, port = single(pki.server_ec, backend.port, tls=tls, **patience)
    running = front(configuration)
    connection = connect(port) if tls == "none" else connect_tls(port, pki.client())
    client = connection.getsockname()
    connection.sendall(early)
    seen = backend.next()
    reset(connection)
    assert seen.ended.wait(SLACK_SECONDS)
    running.session(client)
