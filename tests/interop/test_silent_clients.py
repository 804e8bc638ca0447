"""Clients that fall silent before TLS, by the thousand: they cost no backend connection, and little memory each."""

import contextlib
import os
import resource
import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest

from mailproxy.mail.refusal import refusal
from tests.interop.certificates import Certificates
from tests.interop.clients import TIMEOUT, connect, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, single
from tests.interop.recorder import Recorder, echo
from tests.interop.server import until_end
from tests.interop.waiting import SLACK_SECONDS, until

MAX_CLIENTS = 10_000
SPARE = 200  # descriptors for everything else, here and in mailproxy
PATIENCE = "15m"  # the first client waits for the last one
KIBIBYTE = 1024
LONGEST_LINE = 8192  # octets that IMAP bears
QUIET_SECONDS = 0.5
END_SECONDS = 3.0 + SLACK_SECONDS  # 0.6 on a quiet machine


@pytest.fixture
def clients() -> Iterator[int]:
    """How many there can be: mailproxy keeps a second descriptor ready for each, for its backend."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(MAX_CLIENTS, hard // 2 - SPARE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def start(front: StartFront, backend: Recorder, pki: Certificates, tls: str = "starttls") -> tuple[Front, int]:
    """A front that bears silence for long, and its port."""
    configuration, port = single(
        pki.server_ec, backend.port, tls=tls, capabilities=["IMAP4rev1"], timeout={"login": PATIENCE}
    )
    # What holds up the end does so for longer than a busy machine takes.
    return front({"hard-stop-after": "60s", **configuration}), port


def crowd(port: int, count: int, sent: bytes, stack: contextlib.ExitStack) -> list[socket.socket]:
    """This number of clients, greeted, with these bytes sent, from several addresses, as one has too few ports."""
    connections = []
    for number in range(count):
        source = f"127.2.0.{number % 8 + 1}"
        connection = socket.create_connection(("127.0.0.1", port), TIMEOUT, source_address=(source, 0))
        connections.append(stack.enter_context(connection))
        connection.sendall(sent)
    for connection in connections:
        assert read_line(connection).startswith(b"* OK ")
    return connections


@pytest.mark.parametrize("tls", ["starttls", "starttls-optional"])
@pytest.mark.parametrize(
    ("sent", "share", "kibibytes"),
    [
        pytest.param(b"", 1, 4, id="nothing"),
        pytest.param(b"a STARTTLS\r\n", 4, 4, id="only STARTTLS"),
        pytest.param(b"x" * (LONGEST_LINE - 1), 4, LONGEST_LINE // KIBIBYTE + 8, id="no end of a line"),
    ],
)
def test_silent_clients_cost_no_backend_and_little_memory(
    front: StartFront,
    recorder: StartRecorder,
    pki: Certificates,
    clients: int,
    capsys: pytest.CaptureFixture[str],
    tls: str,
    sent: bytes,
    share: int,
    kibibytes: int,
) -> None:
    backend = recorder(echo())
    running, port = start(front, backend, pki, tls)
    process = running.process
    count = clients // share
    with contextlib.ExitStack() as stack:
        crowd(port, 10, sent, stack)
        before = process.memory()
        began = time.monotonic()
        crowd(port, count, sent, stack)
        seconds = time.monotonic() - began
        each = (process.memory() - before) / count
        with capsys.disabled():
            print(f"\n{count} silent clients after {len(sent)} bytes: {each:.0f} bytes each, within {seconds:.1f} s")
        assert each < kibibytes * KIBIBYTE
        assert backend.connections == []


def test_silent_clients_cost_no_processor_time(
    front: StartFront, recorder: StartRecorder, pki: Certificates, clients: int
) -> None:
    running, port = start(front, recorder(echo()), pki)
    with contextlib.ExitStack() as stack:
        crowd(port, clients // 4, b"", stack)
        last = stack.enter_context(connect(port))
        assert read_line(last)
        cpu = running.process.cpu_seconds()
        last.settimeout(QUIET_SECONDS)
        with pytest.raises(TimeoutError):
            last.recv(1)
        assert running.process.cpu_seconds() - cpu < QUIET_SECONDS / 2


def test_memory_of_silent_clients_is_used_again(
    front: StartFront, recorder: StartRecorder, pki: Certificates, clients: int
) -> None:
    running, port = start(front, recorder(echo()), pki)
    count = clients // 4
    peaks = []
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            crowd(port, count, b"", stack)
            peaks.append(running.process.memory())
        until(partial(has_closed, running), "the end of all sessions")
    assert peaks[-1] - peaks[0] < count * KIBIBYTE


def has_closed(running: Front) -> bool:
    """Whether no client is connected any more: few files are open then."""
    return len(os.listdir(f"/proc/{running.process.pid}/fd")) < SPARE


def test_silent_clients_do_not_hold_up_the_end(
    front: StartFront, recorder: StartRecorder, pki: Certificates, clients: int
) -> None:
    """Each of them gets a goodbye all the same."""
    running, port = start(front, recorder(echo()), pki)
    with contextlib.ExitStack() as stack:
        connections = crowd(port, min(clients, MAX_CLIENTS // 2), b"", stack)
        began = time.monotonic()
        running.terminate()
        running.wait()
        seconds = time.monotonic() - began
        assert {until_end(connection) for connection in connections} == {refusal("imap")}
        assert seconds < END_SECONDS
