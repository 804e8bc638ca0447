"""Clients that send records without payload as fast as they can: the others do not notice."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from tests.tls.records import CIPHERS_12, HANDSHAKE, Sender, Sender12

from .certificates import SERVER_NAME, Certificates
from .clients import connect, connect_tls, read_line
from .conftest import StartFront, StartRecorder
from .front import Front, single
from .recorder import GREETING, echo
from .tlsbytes import client_hello

RECORDS = 100_000

# A login takes 10 ms; before each flood was read in turns, it took seconds. The rest is for a busy machine.
LOGIN_SECONDS = 0.5

# Where a ServerHello has its random number.
_RANDOM = slice(11, 43)


@frozen
class Secured:
    """A client's connection behind the handshake."""

    connection: socket.socket
    key_log: Path
    server_random: bytes


@frozen
class Target:
    """A front with short ways to attack it, and to see how others fare."""

    front: Front
    port: int
    pki: Certificates
    folder: Path

    def log_in(self) -> float:
        """Connect, wait for the greeting, and return how many seconds that took."""
        began = time.monotonic()
        with connect_tls(self.port, self.pki.client()) as connection:
            assert read_line(connection) == GREETING
        return time.monotonic() - began

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
        return Secured(connection, self.folder / "keys", received[_RANDOM])

    def flood(self, connection: socket.socket, data: bytes) -> float:
        """Send all that will be taken, and return how long the slowest of the others' logins took meanwhile."""
        over = threading.Event()

        def send() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(data)
            over.set()

        def read() -> None:
            with contextlib.suppress(OSError):
                while connection.recv(65536):
                    pass

        connection.settimeout(30)
        threads = [threading.Thread(target=target, daemon=True) for target in (read, send)]
        for thread in threads:
            thread.start()
        slowest = self.log_in()
        while not over.is_set():
            slowest = max(slowest, self.log_in())
        # What is sent may not be read yet.
        slowest = max(slowest, self.log_in())
        for thread in threads:
            thread.join(5)  # the front has ended it
        connection.close()
        return slowest


@pytest.fixture
def target(front: StartFront, recorder: StartRecorder, pki: Certificates, tmp_path: Path) -> Target:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    return Target(front(configuration), port, pki, tmp_path)


def key_updates(client: Secured, pki: Certificates) -> bytes:
    sender = Sender(client.key_log)
    return b"".join(sender.key_update() for _ in range(RECORDS))


def renegotiations(client: Secured, pki: Certificates) -> bytes:
    sender = Sender12(client.key_log, client.server_random)
    hello = client_hello(pki.client(version=ssl.TLSVersion.TLSv1_2))[5:]
    return b"".join(sender.record(HANDSHAKE, hello) for _ in range(RECORDS))


@pytest.mark.parametrize(
    ("version", "records"), [(ssl.TLSVersion.TLSv1_3, key_updates), (ssl.TLSVersion.TLSv1_2, renegotiations)]
)
def test_flood_of_records_without_payload_does_not_delay_others(
    target: Target, version: ssl.TLSVersion, records: Callable[[Secured, Certificates], bytes]
) -> None:
    client = target.secured(version)
    name = client.connection.getsockname()
    assert target.flood(client.connection, records(client, target.pki)) < LOGIN_SECONDS
    line = target.front.session(name)
    assert line["termination"] == "PD"
    assert line["reason"].startswith("client: more than 500 reads")


def test_clienthello_in_records_without_a_byte_does_not_delay_others(target: Target) -> None:
    with connect(target.port) as client:
        name = client.getsockname()
        size = 131_000
        body = b"\1" + size.to_bytes(3) + b"\3\3" + bytes(size - 2)
        pieces = (bytes([HANDSHAKE, 3, 1, 0, 0]) * 31 + bytes([HANDSHAKE, 3, 1, 0, 1, byte]) for byte in body)
        assert target.flood(client, b"".join(pieces)) < LOGIN_SECONDS
    line = target.front.session(name)
    assert (line["termination"], line["reason"]) == ("PR", "TLS handshake: not done after 256 KiB")
