"""What Prometheus gets of a running service with workers: curl, promtool, and a worker that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.interop import peers
from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, single
from tests.interop.http import Http, curl
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.waiting import PATIENCE_SECONDS, until
from tests.metrics.bench import Key, parsed, parsed_open_metrics, samples, value

SESSIONS = 8
CHECK = {"type": "tcp", "inter": "500ms", "timeout": "30s"}
COUNTED = ("_total", "_count", "_sum", "_bucket")


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


@frozen
class Service:
    """A service with two workers, and its HTTP."""

    running: Front
    port: int
    http: Http
    pki: Certificates

    def visit(self, count: int) -> None:
        """Let clients come, say something, and go."""
        for _ in range(count):
            with connect_tls(self.port, self.pki.client()) as client:
                assert read_line(client) == GREETING
                client.sendall(b"a NOOP\r\n")
                assert read_line(client) == b"a NOOP\r\n"

    def metrics(self) -> Mapping[Key, float]:
        return samples(parsed(self.http.get("/metrics").body.decode()))

    def wait_for(self, name: str, expected: float) -> Mapping[Key, float]:
        """Wait until a number is this one: a page is kept for a second, and sessions are counted a moment later."""
        found: list[Mapping[Key, float]] = []

        def is_there() -> bool:
            found[:] = [self.metrics()]
            return value(found[0], name) == expected

        until(is_there, f"{name} {expected:g}")
        return found[0]


@pytest.fixture
def service(front: StartFront, backend: Recorder, pki: Certificates) -> Service:
    configuration, port = single(pki.server_ec, backend.port, backend_check=CHECK)
    http = Http(free_port())
    configuration |= {"admin": {"http": f"127.0.0.1:{http.port}"}, "workers": 2}
    return Service(front(configuration), port, http, pki)


def counters(found: Mapping[Key, float]) -> Mapping[Key, float]:
    return {key: count for key, count in found.items() if key[0].endswith(COUNTED)}


def went_back(before: Mapping[Key, float], after: Mapping[Key, float]) -> list[tuple[Key, float, float]]:
    """The counters that are less than before, or have gone."""
    return [(key, count, after.get(key, -1)) for key, count in counters(before).items() if after.get(key, -1) < count]


def test_numbers_are_those_of_all_workers_and_never_go_back(service: Service) -> None:
    service.visit(SESSIONS)
    before = service.wait_for("mailproxy_frontend_session_duration_seconds_count", SESSIONS)
    assert value(before, "mailproxy_frontend_tls_versions_total", version="TLSv1.3") == SESSIONS
    assert value(before, "mailproxy_frontend_first_byte_duration_seconds_bucket", le="+Inf") == SESSIONS
    assert value(before, "mailproxy_frontend_received_bytes_total") == SESSIONS * len(b"a NOOP\r\n")
    assert value(before, "mailproxy_workers") == 2
    os.kill(service.running.event(event="worker", worker=0)["pid"], signal.SIGKILL)
    service.running.until_events(3, event="worker")  # one in place of the killed one
    between = service.wait_for("mailproxy_workers_ended_total", 1)
    assert went_back(before, between) == []
    until(lambda: value(service.metrics(), "mailproxy_workers") == 2, "the new worker's numbers")
    service.visit(SESSIONS)
    after = service.wait_for("mailproxy_frontend_session_duration_seconds_count", 2 * SESSIONS)
    assert went_back(between, after) == []


def test_numbers_continue_with_a_reload(service: Service) -> None:
    service.visit(1)
    before = service.wait_for("mailproxy_frontend_session_duration_seconds_count", 1)
    service.running.reload()
    after = service.wait_for("mailproxy_config_last_reload_successful", 1)
    assert went_back(before, after) == []
    service.visit(1)
    service.wait_for("mailproxy_frontend_session_duration_seconds_count", 2)


def test_killed_clients_and_live_sessions_are_seen(service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            assert read_line(stack.enter_context(connect_tls(service.port, service.pki.client()))) == GREETING
        found = service.wait_for("mailproxy_frontend_current_sessions", 3)
        assert value(found, "mailproxy_server_current_sessions") == 3
    service.wait_for("mailproxy_frontend_current_sessions", 0)


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
def test_curl_gets_a_page_that_promtool_accepts(service: Service, folder: Path, accept: str) -> None:
    peers.need("curl", "promtool")
    service.visit(2)
    service.wait_for("mailproxy_frontend_session_duration_seconds_count", 2)
    page = folder / "page"
    url = f"http://127.0.0.1:{service.http.port}/metrics"
    done = curl("-H", f"Accept: {accept}", "-o", page, "-w", "%{http_code} %{content_type}", url)
    assert done.stdout.startswith(f"200 {accept};")
    if accept != "text/plain":  # promtool reads the text format alone
        assert len(parsed_open_metrics(page.read_text())) > 70
        return
    checked = subprocess.run(
        [peers.path("promtool"), "check", "metrics"],
        input=page.read_bytes(),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_server_that_goes_down_is_seen(service: Service, backend: Recorder) -> None:
    assert value(service.metrics(), "mailproxy_server_state", state="up") == 1
    backend.close()

    def is_down() -> bool:
        return value(service.metrics(), "mailproxy_server_state", state="down") == 1

    until(is_down, "the server down")
    found: Any = service.metrics()
    assert value(found, "mailproxy_server_downtimes_total") == 1
    assert value(found, "mailproxy_server_checks_total", result="failed") >= 1
    assert value(found, "mailproxy_backend_up") == 0
