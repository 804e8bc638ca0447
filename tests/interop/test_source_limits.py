"""Limits of sources and of frontends, with clients from many loopback addresses, and with several processes."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.interop.admin import Ctl, with_admin
from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line, secure
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, single
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.waiting import until

SOURCE, OTHER = "127.0.0.2", "127.0.0.3"

BOTH = pytest.mark.parametrize("workers", [0, 2])


@pytest.fixture
def server(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


class Limited:
    """A front with limits, and clients that connect to it from several addresses."""

    def __init__(self, start: StartFront, server: Recorder, pki: Certificates, folder: Path, **settings: Any) -> None:
        self.pki = pki
        self.stack = ExitStack()
        keys = settings.pop("frontend", {})
        configuration, self.port = single(pki.server_ec, server.port, limits=keys, **settings.pop("keys", {}))
        self.configuration = with_admin(configuration, folder / "admin.sock") | settings
        self.ctl = Ctl(folder / "admin.sock")
        self.front: Front = start(self.configuration)

    def come(self, source: str = SOURCE) -> ssl.SSLSocket | None:
        """Connect; return the connection if the server's greeting comes, and keep it open."""
        with suppress(OSError), ExitStack() as stack:
            connection = stack.enter_context(connect_tls(self.port, self.pki.client(), source))
            if read_line(connection) == GREETING:
                self.stack.push(stack.pop_all())
                return connection
        return None

    def count(self, times: int, source: str = SOURCE) -> int:
        """Connect several times; return how many are served, and stay."""
        return sum(self.come(source) is not None for _ in range(times))

    def counted(self, field: str, by: str = "connections") -> dict[str, Any]:
        """One number of each source, as ctl shows it."""
        return {row["source"]: row[field] for row in self.ctl.rows(f"show sources by {by}")}


Settings = Any


@pytest.fixture
def limited(front: StartFront, server: Recorder, pki: Certificates, folder: Path) -> Settings:
    with ExitStack() as stack:

        def start(**settings: Any) -> Limited:
            made = Limited(front, server, pki, folder, **settings)
            stack.enter_context(made.stack)
            return made

        yield start


@BOTH
def test_source_has_as_many_connections_as_its_limit(limited: Settings, workers: int) -> None:
    front = limited(workers=workers, limits={"source-connections": 4})
    assert front.count(8) == 4
    assert front.count(1, OTHER) == 1
    assert front.counted("connections") == {f"{SOURCE}/32": 4, f"{OTHER}/32": 1}
    front.stack.close()
    until(lambda: not front.counted("connections"), "the end of all connections")
    assert front.count(8) == 4


def test_connections_of_a_worker_that_is_killed_are_given_back(limited: Settings) -> None:
    front = limited(workers=2, limits={"source-connections": 6})
    assert front.count(8) == 6
    pids = [event["pid"] for event in front.front.until_events(2, event="worker")]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    front.front.until_events(4, event="worker")  # two in place of the killed ones
    until(lambda: not front.counted("connections"), "free places")
    until(lambda: front.come() is not None, "a client that is served")
    assert front.count(8) == 5


@BOTH
def test_rate_of_a_source_is_limited(limited: Settings, workers: int) -> None:
    front = limited(workers=workers, limits={"source-rate": "5/1h"})
    assert front.count(10) == 5
    assert front.counted("rate", by="rate") == {f"{SOURCE}/32": 10.0}
    (row,) = front.ctl.rows("show frontends")
    assert row["rejected"] == 5


def has_failed(front: Limited, more_than: int) -> bool:
    """Whether more handshakes than this have failed."""
    return bool(front.counted("handshake_failures", by="failures").get(f"{SOURCE}/32", 0) > more_than + 0.5)


@BOTH
def test_source_whose_handshakes_fail_stays_out(limited: Settings, workers: int) -> None:
    front = limited(workers=workers, limits={"source-handshake-failures": "3/1h"})
    for number in range(4):
        with connect(front.port, SOURCE) as client:
            client.sendall(b"this is not TLS\r\n")
            while client.recv(4096):
                pass
        until(partial(has_failed, front, number), f"{number + 1} failed handshakes")
    assert front.count(2) == 0
    assert front.count(2, OTHER) == 2


def test_exempt_source_has_no_limit(limited: Settings) -> None:
    front = limited(limits={"source-connections": 1, "exempt": [f"{SOURCE}/32"]})
    assert front.count(5) == 5
    assert front.count(5, OTHER) == 1


def test_limits_change_with_a_reload(limited: Settings) -> None:
    front = limited(limits={"source-connections": 2})
    assert front.count(5) == 2
    front.front.reload(front.configuration | {"limits": {"source-connections": 4}})
    assert front.count(5) == 2


def test_rejected_client_has_a_line_and_a_flood_a_sum(limited: Settings) -> None:
    front = limited(limits={"source-rate": "1/1h"})
    with ThreadPoolExecutor(12) as pool:  # all within the time of one sum
        assert sum(client is not None for client in pool.map(lambda _: front.come(), range(12))) == 1
    found = front.front.event(event="refusals")
    assert (found["reason"], found["count"], found["sources"]) == ("source-rate", 6, 1)
    lines = front.front.events(event="rejected")
    assert len(lines) == 5
    assert {line["gate"] for line in lines} == {"source-rate"}
    assert lines[0]["client"].startswith(f"{SOURCE}:")
    assert len(front.front.all_events(event="refusals")) == 1


@BOTH
def test_stop_writes_the_sums_of_the_last_seconds(limited: Settings, workers: int) -> None:
    front = limited(workers=workers, limits={"source-rate": "1/1h"})
    refused = 40 - front.count(40)
    front.front.terminate()
    front.front.wait()
    lines, sums = front.front.events(event="rejected"), front.front.events(event="refusals")
    assert len(lines) + sum(one["count"] for one in sums) == refused
    assert sums


@BOTH
def test_frontend_gets_as_many_new_connections_as_its_rate(limited: Settings, workers: int) -> None:
    front = limited(workers=workers, frontend={"rate": "20/1s"})
    began = time.monotonic()
    with ThreadPoolExecutor(60) as pool:
        served = sum(client is not None for client in pool.map(lambda _: front.come(), range(60)))
    assert served == 60  # they wait, and nobody is refused
    # 20 at once, then 20 a second; each further worker may let one more in.
    assert time.monotonic() - began >= 2 * 20 / (20 + max(workers - 1, 0)) - 0.2


def begun(front: Limited, count: int) -> Sequence[socket.socket]:
    """Connect clients that begin a handshake and do not go on."""
    clients = []
    for _ in range(count):
        client = front.stack.enter_context(connect(front.port))
        client.sendall(b"\x16\x03\x01")
        clients.append(client)
    return clients


@BOTH
def test_clients_beyond_the_handshakes_at_once_wait(limited: Settings, workers: int) -> None:
    front = limited(workers=workers, frontend={"handshakes": 4}, keys={"timeout": {"handshake": "60s"}})
    # More than processes accept before they see the first handshakes; the others wait in the kernel's queue.
    slow = begun(front, 40)
    until(lambda: front.ctl.rows("show frontends")[0]["current"] >= 4, "four handshakes")
    waiting = front.stack.enter_context(connect(front.port))
    for _ in range(20):  # each answer takes the processes a turn of their loops, in which they could accept
        assert front.ctl.rows("show frontends")[0]["current"] < len(slow)
    for client in slow:
        client.close()
    served = front.stack.enter_context(secure(waiting, front.pki.client()))
    assert read_line(served) == GREETING


def test_storm_is_served_whole(limited: Settings) -> None:
    front = limited(frontend={"handshakes": 8})
    with ThreadPoolExecutor(50) as pool:
        assert all(client is not None for client in pool.map(lambda _: front.come(), range(200)))
