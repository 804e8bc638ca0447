"""Clients that do TLS badly or not at all: closed, one log line, no backend bothered; and resets at every stage."""

import contextlib
import itertools
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from attrs import frozen

from tests.interop import clients
from tests.interop.certificates import Certificates
from tests.interop.clients import read_line, secure
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, backend, frontend
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.server import reset, until_end
from tests.interop.tlsbytes import client_hello, endless_client_hello, garbage_record
from tests.interop.waiting import PATIENCE_SECONDS, SLACK_SECONDS

HANDSHAKE_SECONDS = 0.4

GARBAGE: Mapping[str, bytes] = {
    "an IMAP command": b"a LOGIN alice secret\r\n",
    "an SMTP command": b"EHLO client.test\r\n",
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: mail.example.org\r\n\r\n",
    "an SSLv2 hello": bytes.fromhex("802e0100020015001000000001008000030080000701000001020304050607080910111213141516"),
    "zeroes": bytes(4096),
    "an oversize record": garbage_record(),
    "an oversize ClientHello": endless_client_hello(),
}


_sources = (f"127.9.{number // 250}.{number % 250 + 1}" for number in itertools.count())


def connect(port: int, source: str | None = None) -> socket.socket:
    """Connect from an address of its own: the log samples the refusals of one address."""
    return clients.connect(port, source or next(_sources))


@frozen
class Guarded:
    """A front, and its frontends' ports by name."""

    front: Front
    recorder: Recorder
    ports: Mapping[str, int]

    def check_refused(self, connection: socket.socket) -> None:
        """Check that a connection ends, at most with a TLS alert, and that the backend gets no connection."""
        client = connection.getsockname()
        before = len(self.recorder.connections)
        answer = until_end(connection)
        connection.close()
        assert answer == b"" or answer[0] in (0x15, 0x16)  # an alert, perhaps after a ServerHello
        self.front.session(client)
        assert len(self.recorder.connections) == before


@pytest.fixture(scope="module")
def guarded(module_front: StartFront, module_recorder: StartRecorder, pki: Certificates) -> Guarded:
    recorder = module_recorder(echo())
    ports = {name: free_port() for name in ("open", "optional", "required", "modern", "impatient")}
    timeouts = {"impatient": f"{HANDSHAKE_SECONDS * 1000:.0f}ms"}
    certificates = [str(pki.server_ec)]
    front = module_front(
        {
            "tls": {
                "open": {"certificates": certificates},
                "impatient": {"certificates": certificates},
                "modern": {"certificates": certificates, "min-version": "1.3"},
                **{
                    asked: {
                        "certificates": certificates,
                        "client-certificates": asked,
                        "client-ca": str(pki.authority),
                    }
                    for asked in ("optional", "required")
                },
            },
            "frontend": {
                name: frontend(port, "recorder", tls_profile=name, timeout={"handshake": timeouts.get(name, "60s")})
                for name, port in ports.items()
            },
            "backend": {"recorder": backend(recorder.port)},
        }
    )
    return Guarded(front, recorder, ports)


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_not_tls_is_refused(guarded: Guarded, name: str) -> None:
    with connect(guarded.ports["open"]) as connection:
        with contextlib.suppress(ConnectionError):  # it may be refused before all of it was sent
            connection.sendall(GARBAGE[name])
        guarded.check_refused(connection)


def test_scanner_that_closes_after_its_clienthello_costs_no_backend_connection(
    guarded: Guarded, pki: Certificates
) -> None:
    before = len(guarded.recorder.connections)
    with connect(guarded.ports["open"]) as connection:
        client = connection.getsockname()
        connection.sendall(client_hello(pki.client()))
    guarded.front.session(client)
    assert len(guarded.recorder.connections) == before


def test_scanner_that_closes_at_once_costs_no_backend_connection(guarded: Guarded) -> None:
    before = len(guarded.recorder.connections)
    with connect(guarded.ports["open"]) as connection:
        client = connection.getsockname()
    guarded.front.session(client)
    assert len(guarded.recorder.connections) == before


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0], ids=["nothing", "half a ClientHello", "a ClientHello"])
def test_stalled_handshake_is_ended_in_time(guarded: Guarded, pki: Certificates, part: float) -> None:
    hello = client_hello(pki.client())
    began = time.monotonic()
    with connect(guarded.ports["impatient"]) as connection:
        connection.sendall(hello[: int(len(hello) * part)])
        until_end(connection)
        assert HANDSHAKE_SECONDS * 0.9 < time.monotonic() - began < HANDSHAKE_SECONDS + SLACK_SECONDS
        guarded.check_refused(connection)


def test_old_tls_version_is_refused(guarded: Guarded, pki: Certificates) -> None:
    check_handshake_refused(guarded, "modern", pki.client(version=ssl.TLSVersion.TLSv1_2))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("frontend_name", ["optional", "required"])
@pytest.mark.parametrize("certificate", ["untrusted", "expired"])
def test_bad_client_certificate_is_refused(
    guarded: Guarded, pki: Certificates, certificate: str, frontend_name: str, version: ssl.TLSVersion
) -> None:
    path: Path = getattr(pki, certificate)
    check_handshake_refused(guarded, frontend_name, pki.client(path, version=version))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_missing_client_certificate_is_refused_where_it_is_required(
    guarded: Guarded, pki: Certificates, version: ssl.TLSVersion
) -> None:
    check_handshake_refused(guarded, "required", pki.client(version=version))


def check_handshake_refused(guarded: Guarded, frontend_name: str, context: ssl.SSLContext) -> None:
    """Check that the server ends the handshake with an alert; in TLS 1.3 the client learns of it when it reads."""
    before = len(guarded.recorder.connections)
    raw = connect(guarded.ports[frontend_name])
    client = raw.getsockname()
    with pytest.raises(ssl.SSLError, match="alert"), secure(raw, context) as connection:
        connection.recv(1)
    guarded.front.session(client)
    assert len(guarded.recorder.connections) == before


def after_connect(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    return connection


def after_half_a_clienthello(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    connection.sendall(client_hello(context)[:100])
    return connection


def after_the_clienthello(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    connection.sendall(client_hello(context))
    return connection


def after_the_serverhello(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    connection.sendall(client_hello(context))
    assert connection.recv(1) == b"\x16"
    return connection


def after_the_handshake(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    return secure(connection, context)


def after_the_greeting(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    tls = secure(connection, context)
    assert read_line(tls) == GREETING
    return tls


def in_the_middle_of_the_relay(connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
    tls = after_the_greeting(connection, context)
    tls.sendall(bytes(200_000))
    assert tls.recv(1) == b"\0"
    return tls


STAGES: list[Callable[[socket.socket, ssl.SSLContext], socket.socket]] = [
    after_connect,
    after_half_a_clienthello,
    after_the_clienthello,
    after_the_serverhello,
    after_the_handshake,
    after_the_greeting,
    in_the_middle_of_the_relay,
]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("stage", STAGES)
def test_reset_ends_the_session_and_its_backend_connection(
    guarded: Guarded,
    pki: Certificates,
    stage: Callable[[socket.socket, ssl.SSLContext], socket.socket],
    version: ssl.TLSVersion,
) -> None:
    before = len(guarded.recorder.connections)
    # From an address of its own: of many such ends from one address, not all are lines of the log.
    connection = connect(guarded.ports["open"], f"127.0.3.{STAGES.index(stage) + 1}")
    client = connection.getsockname()
    reset(stage(connection, pki.client(version=version)))
    guarded.front.session(client)
    assert all(seen.ended.wait(PATIENCE_SECONDS) for seen in guarded.recorder.connections[before:])
