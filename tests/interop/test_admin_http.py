"""HTTP for administrators of a running service: curl, raw clients, hostile clients, reloads and upgrades."""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from mailproxy.session.relay import QUIET_SECONDS
from mailproxy.web.server import MAX_CLIENTS
from tests.interop import peers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, Front, launch, single
from tests.interop.http import TOKEN, Http, curl
from tests.interop.ports import free_port
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.timing import limit, seconds_of
from tests.interop.waiting import until

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])
ROUND_TRIP_SECONDS = 0.2  # far above a round trip, far below what a held event loop would cost


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


@pytest.fixture
def token(folder: Path) -> Path:
    path = folder / "token"
    path.touch(0o600)
    path.write_text(f"{TOKEN}\n")
    return path


class Service:
    """A service with HTTP, and a client of its own that notices when it is held up."""

    def __init__(self, front: StartFront, backend: Recorder, pki: Certificates, token: Path, **options: Any) -> None:
        self.configuration, self.port = single(pki.server_ec, backend.port)
        self.http = Http(free_port())
        self.configuration["admin"] = {"http": f"127.0.0.1:{self.http.port}", "http-token-file": str(token)}
        self.configuration |= options.pop("settings", {})
        self.pki = pki
        self.running: Front = front(self.configuration, **options)
        self.connection = connect_tls(self.port, pki.client())
        assert read_line(self.connection) == GREETING
        self._longest = limit(ROUND_TRIP_SECONDS, self._speak)

    def _speak(self) -> None:
        self.connection.sendall(b"a NOOP\r\n")
        assert read_line(self.connection) == b"a NOOP\r\n"

    def check_it_serves(self) -> None:
        """A session relays without delay, and another one begins."""
        assert median(seconds_of(self._speak) for _ in range(11)) < self._longest
        with connect_tls(self.port, self.pki.client()) as other:
            assert read_line(other) == GREETING


@pytest.fixture
def service(front: StartFront, backend: Recorder, pki: Certificates, token: Path) -> Iterator[Service]:
    made = Service(front, backend, pki, token)
    with made.connection:
        yield made


# What is asked and done.


@COMMANDS
def test_commands_work_whichever_command_serves(
    front: StartFront, backend: Recorder, pki: Certificates, token: Path, command: tuple[str | Path, ...]
) -> None:
    made = Service(front, backend, pki, token, command=command)
    with made.connection:
        (info,) = made.http.get("/api/v1/show/info").rows
        assert (info["pid"], info["sessions"]) == (made.running.process.pid, 1)
        (session,) = made.http.get("/api/v1/show/sessions?stage=relay").rows
        quiet = f"/api/v1/show/sessions?idle-for={2 * QUIET_SECONDS:g}s"
        until(lambda: made.http.get(quiet).rows, "a session between two responses, which gets a goodbye")
        assert made.http.post("/api/v1/shutdown/session", session=session["id"]).status == 200
        assert read_line(made.connection).startswith(b"* BYE ")
    assert made.http.post("/api/v1/stop").json["message"] == "the service stops"
    made.running.wait_for_stop()


def test_all_workers_are_asked(front: StartFront, backend: Recorder, pki: Certificates, token: Path) -> None:
    made = Service(front, backend, pki, token, settings={"workers": 2})
    with made.connection, ExitStack() as stack:
        for _ in range(7):
            client = stack.enter_context(connect_tls(made.port, pki.client()))
            assert read_line(client) == GREETING
        assert len(made.http.get("/api/v1/show/sessions").rows) == 8
        assert len(made.http.get("/api/v1/show/sessions?limit=3").rows) == 3
        assert made.http.get("/readyz").body == b"ready\n"


def test_curl_gets_what_it_asks_for(service: Service, folder: Path) -> None:
    peers.need("curl")
    at = f"http://localhost:{service.http.port}"
    assert curl(f"{at}/livez").stdout == "ok\n"
    assert curl("-o", folder / "out", "-w", "%{http_code} %{content_type}", f"{at}/api/v1/show/servers").stdout == (
        "200 application/json"
    )
    assert json.loads((folder / "out").read_text())["rows"][0]["server"] == "only"
    change = (f"{at}/api/v1/set/server/state", "--json", '{"server": "recorder/only", "state": "drain"}')
    assert "this needs the token" in curl(*change).stdout
    done = curl(*change, "-H", f"Authorization: Bearer {TOKEN}", "-H", "Expect: 100-continue")
    assert json.loads(done.stdout)["message"] == "server recorder/only: state ready -> drain"
    assert curl("-I", f"{at}/livez").stdout.startswith("HTTP/1.1 200 OK")
    assert curl("-H", "Host: rebound.example", f"{at}/livez", "-w", "%{http_code}").stdout.endswith("421")


def test_events_arrive_while_they_happen(service: Service) -> None:
    with service.http.connect() as client:
        client.sendall(b"GET /api/v1/events?events=sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while b"retry: " not in received:
            received += client.recv(65536)
        with connect_tls(service.port, service.pki.client()) as mail:
            assert read_line(mail) == GREETING
            ours = f"127.0.0.1:{mail.getsockname()[1]}"
        while b'"session",' not in received or b"\n\n\r\n" not in received.rpartition(b"data: ")[2]:
            received += client.recv(65536)
    reported = [
        json.loads(line.removeprefix(b"data: ")) for line in received.split(b"\n") if line.startswith(b"data: ")
    ]
    about = [(event["type"], event["event"]) for event in reported if event["client"] == ours]
    assert about == [("event", "session-begin"), ("event", "session")]


def test_readiness_ends_with_the_last_server_and_with_the_service(
    front: StartFront, backend: Recorder, pki: Certificates, token: Path
) -> None:
    configuration, _ = single(pki.server_ec, backend.port, ready_needs_server=True)
    http = Http(free_port())
    running = front(
        {"admin": {"http": f"127.0.0.1:{http.port}", "http-token-file": str(token)}, "drain-delay": "30s"}
        | configuration
    )
    assert (http.get("/readyz").status, http.get("/livez").status) == (200, 200)
    http.post("/api/v1/set/server/state", server="recorder/only", state="maint")
    answer = http.get("/readyz")
    assert (answer.status, answer.body) == (
        503,
        b"not ready: frontend front: no server of backend recorder is up for imap\n",
    )
    http.post("/api/v1/set/server/state", server="recorder/only", state="ready")
    assert http.get("/readyz").status == 200
    running.terminate()
    until(lambda: http.get("/readyz").body == b"not ready: the service stops\n", "the begin of the stop")
    assert http.get("/livez").status == 200
    assert http.post("/api/v1/stop").status == 200
    running.wait()


def test_tls_is_that_of_the_profile(front: StartFront, backend: Recorder, pki: Certificates, token: Path) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    http = Http(free_port())
    front({"admin": {"http": f"127.0.0.1:{http.port}", "http-tls": "default"}} | configuration)
    context = pki.client()
    with context.wrap_socket(http.connect(), server_hostname=SERVER_NAME) as client:
        client.sendall(f"GET /livez HTTP/1.1\r\nHost: {SERVER_NAME}\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.endswith(b"ok\n")
    assert b"HTTP" not in http.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_unix_socket_is_served_and_removed(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    peers.need("curl")
    configuration, _ = single(pki.server_ec, backend.port)
    path = folder / "http.sock"
    running = front({"admin": {"http": str(path)}} | configuration)
    assert curl("--unix-socket", path, "http://localhost/readyz").stdout == "ready\n"
    running.terminate()
    running.wait()
    assert not path.exists()


# Starts, reloads and upgrades.


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_token_that_others_can_read_is_refused(
    folder: Path, backend: Recorder, pki: Certificates, token: Path, mode: int
) -> None:
    token.chmod(mode)
    configuration, _ = single(pki.server_ec, backend.port)
    admin = {"http": f"127.0.0.1:{free_port()}", "http-token-file": str(token)}
    with launch(folder, {"admin": admin} | configuration) as process:
        assert process.wait() == 1
        assert process.stderr == (
            f"{folder}/mailproxy.toml: admin.http-token-file: {token}: can be read by every user of this machine "
            f"(mode {mode:04o}); make it unreadable for others: chmod o=\n"
        )


def test_reload_opens_moves_and_closes_the_http_socket(service: Service, token: Path) -> None:
    http, configuration = service.http, service.configuration
    other = Http(free_port())
    with http.connect() as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        moved = {"http": f"127.0.0.1:{other.port}", "http-token-file": str(token), "http-token-for": "all"}
        service.running.reload({**configuration, "admin": moved})
        assert other.get("/livez").status == 401
        assert other.get("/livez", Authorization=f"Bearer {TOKEN}").status == 200
        with pytest.raises(ConnectionRefusedError):
            http.get("/livez")
        client.sendall(f"GET /livez HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
        service.running.reload({key: value for key, value in configuration.items() if key != "admin"})
        assert client.recv(65536) == b""
    with pytest.raises(ConnectionRefusedError):
        other.get("/livez")
    service.running.reload(configuration)
    assert http.get("/livez").status == 200
    service.check_it_serves()


def test_reload_that_cannot_listen_changes_nothing(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        service.running.write({**service.configuration, "admin": {"http": place}})
        refused = service.http.post("/api/v1/reload")
    assert (refused.status, refused.json["error"]) == (
        400,
        f"admin.http: cannot listen on {place}: another process listens there; stop it first, or name another port",
    )
    assert service.http.post("/api/v1/check/now", server="recorder/only").status in (200, 400)
    service.check_it_serves()


def test_new_token_is_in_effect_after_a_reload(service: Service, token: Path) -> None:
    token.write_text("another-token-of-enough-letters\n")
    assert service.http.post("/api/v1/reload").status == 200
    assert service.http.post("/api/v1/reload").status == 401


def test_upgrade_takes_the_http_socket_over(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path, token: Path
) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    http = Http(free_port())
    admin = {"socket": str(folder / "a.sock"), "http": f"127.0.0.1:{http.port}", "http-token-file": str(token)}
    configuration["admin"] = admin
    previous = front(configuration)
    assert http.get("/api/v1/show/info").rows[0]["pid"] == previous.process.pid
    later = front(configuration, command=(sys.executable, "-m", "mailproxy", "run", "--take-over", "-c"))
    previous.wait_for_stop()
    assert http.get("/api/v1/show/info").rows[0]["pid"] == later.process.pid


# Hostile clients.


SMUGGLED = b"GET /api/v1/show/info HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 52\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_request_is_not_smuggled(service: Service, request_: bytes) -> None:
    received = service.http.raw(request_ + SMUGGLED)
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert received.count(b"HTTP/1.1 ") == 1
    service.check_it_serves()


def test_oversized_requests_are_refused(service: Service) -> None:
    head = b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
    for data in (
        b"GET /" + b"x" * 10_000_000,
        head + b"X: y\r\n" * 1_000_000,
        head + b"Content-Length: 1000000000\r\n\r\n" + b"x" * 1_000_000,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + b"fff\r\n" + b"x" * 4095 + b"\r\n" + b"fff\r\n" * 1000,
    ):
        with service.http.connect() as client, suppress(ConnectionError):
            client.sendall(data)
            assert client.recv(65536)[:10] in (b"", b"HTTP/1.1 4")
    service.check_it_serves()


def test_clients_that_stay_do_not_keep_others_out(service: Service) -> None:
    with ExitStack() as stack:
        for number in range(2 * MAX_CLIENTS):
            client = stack.enter_context(service.http.connect())
            client.sendall([b"", b"GET /livez HTT", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"][number % 3])
        assert service.http.get("/livez").status == 200
        service.check_it_serves()


def test_clients_that_never_read_cost_bounded_memory(service: Service) -> None:
    def memory() -> int:
        with open(f"/proc/{service.running.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    service.http.get("/api/v1/")
    before = memory()
    with ExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            client = stack.enter_context(service.http.connect())
            client.setblocking(False)
            with suppress(BlockingIOError):
                for _ in range(1000):
                    client.send(b"GET /api/v1/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        for _ in range(50):  # they send, and the service works, meanwhile
            service.check_it_serves()
        # For each: what it sent, 64 KiB and more, and one answer of the transport's 64 KiB.
        assert memory() - before < MAX_CLIENTS * 512 * 1024


def test_client_of_another_network_is_closed_at_once(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    configuration, _ = single(pki.server_ec, backend.port)
    http = Http(free_port())
    running = front({"admin": {"http": f"127.0.0.1:{http.port}", "http-allow": ["192.0.2.0/24"]}} | configuration)
    with suppress(ConnectionResetError):
        assert http.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
    (event,) = running.all_events(event="http-refused")
    assert event["host"] == "127.0.0.1"


def test_clients_in_a_hurry_leave_time_to_sessions(service: Service) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(service.http.connect()) for _ in range(MAX_CLIENTS // 2)]
        for client in clients:
            client.sendall(b"GET /api/v1/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300)
        for _ in range(5):
            service.check_it_serves()


def test_handshake_that_stalls_holds_nobody(
    front: StartFront, backend: Recorder, pki: Certificates, token: Path
) -> None:
    made = Service(front, backend, pki, token)
    made.configuration["admin"]["http-tls"] = "default"
    made.running.reload(made.configuration)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with made.connection, ExitStack() as stack:
        for _ in range(MAX_CLIENTS):
            stack.enter_context(made.http.connect()).sendall(b"\x16\x03\x01\x02\x00")
        assert Http(made.http.port, context).get("/livez").status == 200
        made.check_it_serves()
