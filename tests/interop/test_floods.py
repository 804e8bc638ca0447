"""Clients that send records without payload as fast as they can: the others do not notice."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, single
from tests.interop.recorder import GREETING, echo
from tests.interop.timing import limit, seconds_of
from tests.interop.waiting import PATIENCE_SECONDS
from tests.tls.records import CIPHERS_12, HANDSHAKE, SERVER_RANDOM, Sender, Sender12

RECORDS = 100_000

# A login takes 10 ms on a quiet machine; before each flood was read in turns, it took seconds.
LOGIN_SECONDS = 0.5


@frozen
class Secured:
    """A client's connection behind the handshake."""

    connection: socket.socket
    name: Any
    key_log: Path
    server_random: bytes


@frozen
class Target:
    """A front with short ways to attack it, and to see how others fare."""

    front: Front
    port: int
    pki: Certificates
    folder: Path

    def log_in(self) -> None:
        """Connect, and wait for the greeting."""
        with connect_tls(self.port, self.pki.client()) as connection:
            assert read_line(connection) == GREETING

    def secured(self, version: ssl.TLSVersion) -> Secured:
        """Shake hands, in a way that the keys are known."""
        context = self.pki.client(version=version)
        context.keylog_filename = str(self.folder / "keys")
        if version == ssl.TLSVersion.TLSv1_2:
            context.set_ciphers(CIPHERS_12)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=SERVER_NAME)
        connection = connect(self.port)
        received = b""
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            connection.sendall(outgoing.read())
            data = connection.recv(65536)
            received += data
            incoming.write(data)
        connection.sendall(outgoing.read())
        return Secured(connection, connection.getsockname(), self.folder / "keys", received[SERVER_RANDOM])

    def flood(self, connection: socket.socket, data: bytes) -> None:
        """Send all that will be taken, and check how long the slowest of the others' logins takes meanwhile."""
        longest = limit(LOGIN_SECONDS, self.log_in)
        over = threading.Event()

        def send() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(data)
            over.set()

        def read() -> None:
            with contextlib.suppress(OSError):
                while connection.recv(65536):
                    pass

        connection.settimeout(PATIENCE_SECONDS)
        threads = [threading.Thread(target=target, daemon=True) for target in (read, send)]
        for thread in threads:
            thread.start()
        slowest = seconds_of(self.log_in)
        while not over.is_set():
            slowest = max(slowest, seconds_of(self.log_in))
        # What is sent may not be read yet.
        slowest = max(slowest, seconds_of(self.log_in))
        for thread in threads:
            thread.join(PATIENCE_SECONDS)  # the front has ended it
        connection.close()
        assert slowest < longest


@pytest.fixture
def target(front: StartFront, recorder: StartRecorder, pki: Certificates, tmp_path: Path) -> Target:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    return Target(front(configuration), port, pki, tmp_path)


def log_of(target: Target, client: Secured) -> tuple[str, str]:
    line = target.front.session(client.name)
    return line["termination"], line["reason"]


def test_key_updates_do_not_delay_others(target: Target) -> None:
    client = target.secured(ssl.TLSVersion.TLSv1_3)
    sender = Sender(client.key_log)
    target.flood(client.connection, b"".join(sender.key_update() for _ in range(RECORDS)))
    letters, reason = log_of(target, client)
    assert letters == "PD"
    assert reason.startswith("client: more than 500 reads")


def test_renegotiation_in_records_without_a_byte_does_not_delay_others(target: Target) -> None:
    client = target.secured(ssl.TLSVersion.TLSv1_2)
    sender = Sender12(client.key_log, client.server_random)
    hello = b"\1" + (131_000).to_bytes(3) + bytes(RECORDS // 32)
    pieces = (sender.record(HANDSHAKE, data) for byte in hello for data in (*[b""] * 31, bytes([byte])))
    target.flood(client.connection, b"".join(pieces))
    assert log_of(target, client) == ("PD", "client: TLS renegotiation")


def test_clienthello_in_records_without_a_byte_does_not_delay_others(target: Target) -> None:
    with connect(target.port) as client:
        name = client.getsockname()
        size = 131_000
        body = b"\1" + size.to_bytes(3) + b"\3\3" + bytes(size - 2)
        pieces = (bytes([HANDSHAKE, 3, 1, 0, 0]) * 31 + bytes([HANDSHAKE, 3, 1, 0, 1, byte]) for byte in body)
        target.flood(client, b"".join(pieces))
    line = target.front.session(name)
    assert (line["termination"], line["reason"]) == ("PR", "TLS handshake: not done after 256 KiB")
