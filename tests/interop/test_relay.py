"""Bytes through the front: all of them, in order, whatever the speed of the two sides, and a clean end."""

import contextlib
import random
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line, secure
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import frontend, single
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorded, echo
from tests.interop.waiting import PATIENCE_SECONDS, is_ready

MEBIBYTE = 1 << 20
PATTERN = random.Random(5).randbytes(16 * MEBIBYTE)

TLS_VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, None], ids=["tls1.2", "tls1.3", "plain"]
)


def receive(connection: socket.socket, count: int, piece: int = 65536) -> bytes:
    """Read this number of bytes."""
    received = bytearray()
    while len(received) < count:
        data = connection.recv(min(piece, count - len(received)))
        assert data, f"ended after {len(received)} of {count} bytes"
        received += data
    return bytes(received)


def exchange(connection: socket.socket, sent: bytes) -> bytes:
    """Send and receive this many bytes at once, in one thread, which is all that Python 3.11's SSLSocket allows."""
    connection.setblocking(False)
    left = memoryview(sent)
    received = bytearray()
    while len(received) < len(sent):
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            left = left[connection.send(left[:65536]) if left else 0 :]
        try:
            data = connection.recv(65536)
            assert data, f"ended after {len(received)} of {len(sent)} bytes"
            received += data
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            assert is_ready(connection, PATIENCE_SECONDS, to_write=bool(left)), "nothing moves"
    return bytes(received)


class Echo:
    """A front before a backend that sends back what comes."""

    def __init__(self, start_front: StartFront, start_recorder: StartRecorder, pki: Certificates) -> None:
        configuration, self._port = single(pki.server_ec, start_recorder(echo()).port)
        self._plain_port = free_port()
        configuration["frontend"]["plain"] = frontend(self._plain_port, "recorder", tls="none")
        start_front(configuration)
        self._pki = pki

    def session(self, version: ssl.TLSVersion | None) -> socket.socket:
        """A connection, without TLS if there is no version of it, on which the greeting has been read."""
        if version is None:
            connection = connect(self._plain_port)
        else:
            connection = connect_tls(self._port, self._pki.client(version=version))
        assert read_line(connection) == GREETING
        return connection


class Sender:
    """A front before a backend that sends a greeting and `size` bytes, and closes."""

    def __init__(self, start_front: StartFront, start_recorder: StartRecorder, pki: Certificates) -> None:
        self.size = 0
        configuration, self.port = single(pki.server_ec, start_recorder(self._send).port)
        start_front(configuration)

    def _send(self, recorded: Recorded) -> None:
        recorded.socket.sendall(GREETING + PATTERN[: self.size])


@pytest.fixture(scope="module")
def echoing(module_front: StartFront, module_recorder: StartRecorder, pki: Certificates) -> Echo:
    return Echo(module_front, module_recorder, pki)


@pytest.fixture(scope="module")
def sender(module_front: StartFront, module_recorder: StartRecorder, pki: Certificates) -> Sender:
    return Sender(module_front, module_recorder, pki)


@TLS_VERSIONS
def test_sixteen_mebibytes_go_both_ways_at_once_unchanged(echoing: Echo, version: ssl.TLSVersion | None) -> None:
    with echoing.session(version) as connection:
        assert exchange(connection, PATTERN) == PATTERN


@TLS_VERSIONS
def test_single_bytes_keep_their_order(echoing: Echo, version: ssl.TLSVersion | None) -> None:
    sent = PATTERN[:2000]
    with echoing.session(version) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in sent:
            connection.sendall(bytes([byte]))
        assert receive(connection, len(sent)) == sent


@pytest.mark.parametrize("kibibytes", [1, 15, 16, 17, 64, 255, 256, 257, 1000, 4000])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"])
def test_slow_client_gets_the_last_byte_and_then_close_notify(
    sender: Sender, pki: Certificates, version: ssl.TLSVersion, kibibytes: int
) -> None:
    sender.size = kibibytes * 1024
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(PATIENCE_SECONDS)
    raw.connect(("127.0.0.1", sender.port))
    with secure(raw, pki.client(version=version), strict_end=True) as connection:
        assert read_line(connection) == GREETING
        assert receive(connection, sender.size, piece=3000) == PATTERN[: sender.size]
        assert connection.recv(1) == b""


def test_a_hundred_sessions_do_not_get_each_others_bytes(echoing: Echo) -> None:
    def talk(number: int) -> bool:
        sent = random.Random(number).randbytes(100_000)
        with echoing.session(ssl.TLSVersion.TLSv1_3) as connection:
            return exchange(connection, sent) == sent

    with ThreadPoolExecutor(100) as pool:
        assert all(pool.map(talk, range(100)))
