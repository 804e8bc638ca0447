"""Bytes through the front: all of them, in order, whatever the speed of the two sides, and a clean end."""

import contextlib
import random
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line, secure
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import single
from tests.interop.recorder import GREETING, Recorded, echo
from tests.interop.waiting import is_ready

MEBIBYTE = 1 << 20
PATTERN = random.Random(5).randbytes(16 * MEBIBYTE)
Connect = Callable[[int], socket.socket]

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
            assert is_ready(connection, 10, to_write=bool(left)), "nothing moves"
    return bytes(received)


def open_session(port: int, pki: Certificates, version: ssl.TLSVersion | None) -> socket.socket:
    """A connection on which the greeting has been read."""
    connection = connect(port) if version is None else connect_tls(port, pki.client(version=version))
    assert read_line(connection) == GREETING
    return connection


@TLS_VERSIONS
def test_sixteen_mebibytes_go_both_ways_at_once_unchanged(
    front: StartFront, recorder: StartRecorder, pki: Certificates, version: ssl.TLSVersion | None
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, tls="none" if version is None else "implicit")
    front(configuration)
    with open_session(port, pki, version) as connection:
        assert exchange(connection, PATTERN) == PATTERN


@TLS_VERSIONS
def test_single_bytes_keep_their_order(
    front: StartFront, recorder: StartRecorder, pki: Certificates, version: ssl.TLSVersion | None
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port, tls="none" if version is None else "implicit")
    front(configuration)
    sent = PATTERN[:2000]
    with open_session(port, pki, version) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in sent:
            connection.sendall(bytes([byte]))
        assert receive(connection, len(sent)) == sent


@pytest.mark.parametrize("kibibytes", [1, 15, 16, 17, 64, 255, 256, 257, 1000, 4000])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"])
def test_slow_client_gets_the_last_byte_and_then_close_notify(
    front_of_a_sender: Callable[[int], int], pki: Certificates, version: ssl.TLSVersion, kibibytes: int
) -> None:
    size = kibibytes * 1024
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(10)
    raw.connect(("127.0.0.1", front_of_a_sender(size)))
    with secure(raw, pki.client(version=version), strict_end=True) as connection:
        assert read_line(connection) == GREETING
        assert receive(connection, size, piece=3000) == PATTERN[:size]
        assert connection.recv(1) == b""


@pytest.fixture
def front_of_a_sender(front: StartFront, recorder: StartRecorder, pki: Certificates) -> Callable[[int], int]:
    """Makes a front with a backend that sends this number of bytes and closes."""

    def start(size: int) -> int:
        def send(recorded: Recorded) -> None:
            recorded.socket.sendall(GREETING + PATTERN[:size])

        configuration, port = single(pki.server_ec, recorder(send).port)
        front(configuration)
        return port

    return start


def test_a_hundred_sessions_do_not_get_each_others_bytes(
    front: StartFront, recorder: StartRecorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    front(configuration)

    def talk(number: int) -> bool:
        sent = random.Random(number).randbytes(100_000)
        with open_session(port, pki, ssl.TLSVersion.TLSv1_3) as connection:
            return exchange(connection, sent) == sent

    with ThreadPoolExecutor(100) as pool:
        assert all(pool.map(talk, range(100)))
