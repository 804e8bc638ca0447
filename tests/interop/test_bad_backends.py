"""Backends that fail: the client gets its protocol's error in time, or another server takes it."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder, starting_recorders
from tests.interop.front import Front, backend, frontend, single
from tests.interop.ports import free_port
from tests.interop.recorder import (
    GREETING,
    close_at_once,
    echo,
    greet_and_half_close,
    greet_and_reset,
    greet_when,
    reset_at_once,
    stall,
)
from tests.interop.server import until_end
from tests.interop.waiting import PATIENCE_SECONDS, SLACK_SECONDS

CONNECT_SECONDS = 0.1
RETRIES = 1
IN_TIME = CONNECT_SECONDS * (1 + RETRIES) + SLACK_SECONDS
PATIENCE = {"timeout": {"connect": f"{CONNECT_SECONDS * 1000:.0f}ms"}, "retries": RETRIES}

REFUSALS: Mapping[str, bytes] = {
    "imap": b"* BYE [UNAVAILABLE]",
    "pop3": b"-ERR [SYS/TEMP]",
    "smtp": b"421 4.3.2",
    "submission": b"421 4.3.2",
    "lmtp": b"421 4.3.2",
    "managesieve": b"BYE (TRYLATER)",
    "tcp": b"",
}
FAILURES = ("refuses", "stalls in connect", "closes at once", "resets at once", "says nothing")


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """The port of a listener with a full backlog: a connect neither succeeds nor fails."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", free_port()), backlog=0))
        while True:
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def failing_ports() -> Iterator[Mapping[str, int]]:
    """A backend for each failure."""
    with full_listener() as full, starting_recorders() as start:
        yield {
            "refuses": free_port(),
            "stalls in connect": full,
            "closes at once": start(close_at_once).port,
            "resets at once": start(reset_at_once).port,
            "says nothing": start(stall).port,
        }


@pytest.fixture(scope="module")
def failing(
    module_front: StartFront, failing_ports: Mapping[str, int], pki: Certificates
) -> tuple[Front, Mapping[tuple[str, str], int]]:
    """A front with a frontend for each protocol and failure of its backend."""
    ports = {(protocol, failure): free_port() for protocol in REFUSALS for failure in FAILURES}
    front = module_front(
        {
            "tls": {"default": {"certificates": [str(pki.server_ec)]}},
            "frontend": {
                f"{protocol}-{failure.replace(' ', '-')}": frontend(port, failure.replace(" ", "-"), protocol=protocol)
                for (protocol, failure), port in ports.items()
            },
            "backend": {failure.replace(" ", "-"): backend(failing_ports[failure]) | PATIENCE for failure in FAILURES},
        }
    )
    return front, ports


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("protocol", [protocol for protocol in REFUSALS if protocol != "tcp"])
def test_client_gets_the_temporary_failure_of_its_protocol_in_time(
    failing: tuple[Front, Mapping[tuple[str, str], int]], pki: Certificates, protocol: str, failure: str
) -> None:
    front, ports = failing
    with connect_tls(ports[protocol, failure], pki.client()) as connection:
        client = connection.getsockname()
        began = time.monotonic()
        answer = until_end(connection)
        assert time.monotonic() - began < IN_TIME
    assert answer.startswith(REFUSALS[protocol])
    assert answer.endswith(b"\r\n")
    assert answer.count(b"\r\n") == 1
    front.session(client)


@pytest.mark.parametrize("failure", ["refuses", "stalls in connect", "closes at once", "resets at once"])
def test_client_of_an_unknown_protocol_is_parted_from_in_time(
    failing: tuple[Front, Mapping[tuple[str, str], int]], pki: Certificates, failure: str
) -> None:
    front, ports = failing
    with connect_tls(ports["tcp", failure], pki.client()) as connection:
        client = connection.getsockname()
        began = time.monotonic()
        assert until_end(connection) == b""
        assert time.monotonic() - began < IN_TIME
    front.session(client)


@pytest.mark.parametrize("failure", FAILURES)
def test_next_server_takes_over(
    front: StartFront, recorder: StartRecorder, failing_ports: Mapping[str, int], pki: Certificates, failure: str
) -> None:
    good = recorder(echo())
    servers = {"bad": {"address": f"127.0.0.1:{failing_ports[failure]}"}, "good": {"address": f"127.0.0.1:{good.port}"}}
    # Long enough for the good server, which is not to fail.
    configuration, port = single(
        pki.server_ec, 0, backend_server=servers, backend_timeout={"connect": "3s"}, backend_retries=RETRIES
    )
    running = front(configuration)
    with connect_tls(port, pki.client()) as connection:
        client = connection.getsockname()
        assert read_line(connection) == GREETING
    assert running.session(client)["server"] == "good"


def test_late_greeting_within_the_deadline_is_waited_for(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    allowed = threading.Event()
    backend = recorder(greet_when(allowed))
    configuration, port = single(pki.server_ec, backend.port, backend_timeout={"connect": "60s"})
    front(configuration)
    with connect_tls(port, pki.client()) as connection:
        connection.sendall(b"a LOGOUT\r\n")
        seen = backend.next()
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert seen.header_came_alone
        assert seen.received == b""  # nothing of the client before the greeting
        allowed.set()
        connection.settimeout(PATIENCE_SECONDS)
        assert read_line(connection) == GREETING
        assert read_line(connection) == b"a LOGOUT\r\n"


def test_reset_by_the_backend_ends_the_session(front: StartFront, recorder: StartRecorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, recorder(greet_and_reset).port)
    running = front(configuration)
    with connect_tls(port, pki.client()) as connection:
        client = connection.getsockname()
        assert read_line(connection) == GREETING
        connection.sendall(b"a NOOP\r\n")
        assert until_end(connection) == b""
    running.session(client)


def test_backend_that_ends_its_direction_still_gets_what_the_client_sends(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    backend = recorder(greet_and_half_close)
    configuration, port = single(pki.server_ec, backend.port)
    front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        assert connection.recv(1) == b""
        connection.sendall(b"last words")
    seen = backend.next()
    assert seen.ended.wait(PATIENCE_SECONDS)
    assert seen.received == b"last words"


def test_client_that_ends_its_direction_still_gets_the_backends_answer(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(answer_after_the_end).port, tls="none")
    front(configuration)
    with connect(port) as connection:
        assert read_line(connection) == GREETING
        connection.sendall(b"question")
        connection.shutdown(socket.SHUT_WR)
        assert until_end(connection) == b"answer to question"


def test_tls_client_that_ends_its_direction_still_gets_the_backends_answer(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(answer_after_the_end).port)
    front(configuration)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
        connection.sendall(b"question")
        connection.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            connection.unwrap()  # sends close_notify; the server's is not there yet
        connection.settimeout(PATIENCE_SECONDS)
        assert until_end(connection) == b"answer to question"


def answer_after_the_end(recorded: Any) -> None:
    """Greet, take everything up to the client's end, and only then answer."""
    recorded.socket.sendall(GREETING)
    recorded.socket.sendall(b"answer to " + until_end(recorded.socket))
