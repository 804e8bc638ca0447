"""Several processes that serve together, and what becomes of them when one is killed, or stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from mailproxy.control.call import Call
from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from tests.interop.admin import Ctl, rows, with_admin
from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartPool, StartRecorder
from tests.interop.front import TWIST, TWISTD, Front, frontend, launch, single
from tests.interop.ports import free_port, listener_at
from tests.interop.process import is_alive
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.server import until_end
from tests.interop.waiting import PATIENCE_SECONDS, is_ready, until

WORKERS = 4


@pytest.fixture
def backend_server(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


def processes(front: Front) -> dict[str, list[int]]:
    """The process ids by what `ps` calls them."""
    found: dict[str, list[int]] = {}
    for pid in front.process.family():
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        found.setdefault(name, []).append(pid)
    return found


def worker_pids(front: Front) -> dict[int, int]:
    """The process ids of the workers, by their number, as the log has them."""
    return {event["worker"]: event["pid"] for event in front.events(event="worker")}


def start(front: StartFront, configuration: dict[str, Any], workers: int = WORKERS) -> Front:
    """Start the front with workers, and wait until the log has their process ids."""
    running = front({"workers": workers} | configuration)
    running.until_events(workers, event="worker")
    return running


def until_replaced(front: Front, worker: int, killed: int) -> None:
    """Wait until there is another worker with this number."""
    until(lambda: worker_pids(front)[worker] != killed, "a worker in place of the killed one")


class Load:
    """Clients that come and go all the time in threads, and what they met."""

    def __init__(self, port: int, context: ssl.SSLContext, threads: int = 4) -> None:
        self.failures: list[str] = []
        self.done = 0
        self._port = port
        self._context = context
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                with connect_tls(self._port, self._context) as connection:
                    if read_line(connection) != GREETING:
                        raise EOFError("no greeting")
            except (OSError, EOFError) as error:
                self.failures.append(str(error))
            with self._lock:
                self.done += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, count: int = 100) -> None:
        """Wait until this many more have come."""
        target = self.done + count
        until(lambda: self.done >= target, f"{count} more clients")


def resumed(port: int, context: ssl.SSLContext, attempts: int = 60) -> float:
    """The ratio of successful resumptions; each attempt uses the last session."""
    with connect_tls(port, context) as connection:
        read_line(connection)
        session = connection.session
    count = 0
    for _ in range(attempts):
        with connect_tls(port, context, session=session) as connection:
            read_line(connection)
            count += bool(connection.session_reused)
            session = connection.session or session
    return count / attempts


def worker_of(session: Mapping[str, Any]) -> str:
    """What the ids of sessions of one worker begin with."""
    return str(session["id"].partition("-")[0])


def workers_of(sessions: Iterable[Mapping[str, Any]]) -> set[str]:
    """The workers that have some of these sessions."""
    return set(map(worker_of, sessions))


def test_service_without_forkers_ends_with_its_last_worker(
    front: StartFront, backend_server: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    running = start(front, configuration, 2)
    until(lambda: len(processes(running).get("mailproxy-fork", [])) == 2, "a spare forker")
    # One that is stopped makes no other one when it sees the end of the first.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in processes(running)["mailproxy-fork"]:
            os.kill(pid, number)
    running.event(event="forker", level="error")
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    for pid in worker_pids(running).values():
        os.kill(pid, signal.SIGKILL)
    running.was_ended(1)
    running.wait()
    assert len(running.events(event="workers-lost")) == 1


def test_all_workers_serve_and_session_ids_are_unique(
    front: StartFront, backend_server: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    running = start(front, configuration)
    with Load(port, pki.client(), threads=8) as load:
        load.go_on(200)
        until(lambda: len(workers_of(running.events(event="session"))) == WORKERS, "sessions of all workers")
    assert load.failures == []
    running.until_events(load.done, event="session")
    running.terminate()
    running.wait()
    ids = [event["id"] for event in running.events(event="session")]
    assert len(set(ids)) == len(ids) == load.done
    (closed,) = running.events(event="closed")
    assert closed["connections"] == closed["sessions"] == load.done


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_on_any_worker(
    front: StartFront, backend_server: Recorder, pki: Certificates, folder: Path, version: ssl.TLSVersion
) -> None:
    served = folder / "served.pem"
    served.write_bytes(pki.server_ec.read_bytes())
    served.chmod(0o600)
    configuration, port = single(served, backend_server.port)
    running = start(front, configuration)
    context = pki.client()
    context.maximum_version = version
    assert resumed(port, context) >= 0.95

    os.kill(worker_pids(running)[2], signal.SIGKILL)
    running.until_events(WORKERS + 1, event="worker")  # one in place of the killed one
    assert resumed(port, context) >= 0.95

    served.write_bytes(pki.server_rsa.read_bytes())
    running.reload()
    assert resumed(port, context) >= 0.95

    os.kill(worker_pids(running)[1], signal.SIGKILL)
    running.until_events(WORKERS + 2, event="worker")
    assert resumed(port, context) >= 0.95


def test_certificate_that_is_renewed_is_served_by_all_workers(
    front: StartFront, backend_server: Recorder, pki: Certificates, folder: Path
) -> None:
    served = folder / "served.pem"
    served.write_bytes(pki.server_ec.read_bytes())
    served.chmod(0o600)
    configuration, port = single(served, backend_server.port)
    running = start(front, {"watch": "1s"} | configuration)
    before = served_by(port, pki)
    served.write_bytes(pki.server_rsa.read_bytes())
    running.event(event="certificate")
    until(lambda: not (served_by(port, pki) & before), "the new certificate in all workers")
    os.kill(worker_pids(running)[2], signal.SIGKILL)
    running.until_events(WORKERS + 1, event="worker")  # one in place of the killed one
    # Another worker may still be about to read the message.
    until(lambda: not (served_by(port, pki) & before), "the new certificate in the new worker")
    changes = [(event["news"], event["until"]) for event in running.all_events(event="certificate")]
    assert len(changes) == len(set(changes))


def served_by(port: int, pki: Certificates) -> set[bytes]:
    """The certificates that come in 24 handshakes."""
    found = set()
    for _ in range(24):
        with connect_tls(port, pki.client()) as connection:
            found.add(connection.getpeercert(binary_form=True) or b"")
    return found


def test_killed_worker_costs_its_own_sessions_alone(asked: Asked) -> None:
    running, port, context = asked.front, asked.port, asked.pki.client()
    with ExitStack() as stack:
        idle = asked.crowd(stack, WORKERS)
        workers = {row["client"]: worker_of(row) for row in asked.ctl("show", "sessions")}
        with Load(port, context) as load:
            load.go_on()
            killed = worker_pids(running)[1]
            os.kill(killed, signal.SIGKILL)
            ended = running.event(event="worker-ended")
            until_replaced(running, 1, killed)
            load.go_on()
        assert (ended["pid"], ended["worker"], ended["reason"]) == (killed, 1, "killed by SIGKILL")
        # Each of the load's threads may have had one session there, or have been in the queue of the killed one.
        assert len(load.failures) <= 4
        names = {connection: "{}:{}".format(*connection.getsockname()) for connection in idle}
        alive = {connection for connection in idle if is_answered(connection)}
        (its_worker,) = {workers[name] for connection, name in names.items() if connection not in alive}
        assert its_worker not in {workers[names[connection]] for connection in alive}


def is_answered(connection: ssl.SSLSocket) -> bool:
    """Whether a session is alive."""
    try:
        connection.sendall(b"echo\r\n")
        return read_line(connection) == b"echo\r\n"
    except (OSError, EOFError):
        return False


def test_stopped_worker_is_killed_and_replaced(front: StartFront, backend_server: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    running = start(front, configuration)
    stopped = worker_pids(running)[0]
    with Load(port, pki.client()) as load:
        load.go_on()
        os.kill(stopped, signal.SIGSTOP)
        until_replaced(running, 0, stopped)
        load.go_on()
    assert not is_alive(stopped)
    assert len(running.all_events(event="worker-silent")) == 1
    assert len(load.failures) <= 4


def test_workers_end_with_the_main_process(folder: Path, backend_server: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    with launch(folder, {"workers": 2} | configuration) as process:
        process.until_listening([port])
        until(lambda: '"event": "ready"' in process.stdout, "ready workers")
        with connect_tls(port, pki.client()) as connection:
            assert read_line(connection) == GREETING
            family = process.family()
            assert len(family) == 5  # main process, forker, one that stands by, and two workers
            process.send(signal.SIGKILL)
            assert until_end(connection).startswith(b"* BYE ")
        until(lambda: not any(is_alive(pid) for pid in family), "the end of all processes")
        assert process.stdout.count("the main process has ended") == 2


def test_forker_that_is_killed_has_a_successor(front: StartFront, backend_server: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    running = start(front, configuration, 2)
    os.kill(processes(running)["mailproxy-fork"][0], signal.SIGKILL)
    running.event(event="forker")
    first = worker_pids(running)[0]
    os.kill(first, signal.SIGKILL)
    until_replaced(running, 0, first)
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    assert resumed(port, pki.client()) >= 0.95


def test_stopped_forker_is_killed_and_has_a_successor(
    front: StartFront, backend_server: Recorder, pki: Certificates
) -> None:
    configuration, _ = single(pki.server_ec, backend_server.port)
    running = start(front, configuration, 2)
    stopped = processes(running)["mailproxy-fork"][0]
    os.kill(stopped, signal.SIGSTOP)
    first = worker_pids(running)[0]
    os.kill(first, signal.SIGKILL)
    until_replaced(running, 0, first)
    assert not is_alive(stopped)


def test_stopped_forkers_do_not_hold_a_stop_up(front: StartFront, backend_server: Recorder, pki: Certificates) -> None:
    configuration, _ = single(pki.server_ec, backend_server.port)
    running = start(front, configuration, 2)
    until(lambda: len(processes(running)["mailproxy-fork"]) == 2, "a spare forker")
    for pid in processes(running)["mailproxy-fork"]:
        os.kill(pid, signal.SIGSTOP)
    running.terminate()
    running.wait()


def test_stop_ends_sessions_politely_and_all_processes(
    front: StartFront, backend_server: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    running = start(front, configuration)
    family = running.process.family()
    with ExitStack() as stack:
        idle = [stack.enter_context(connect_tls(port, pki.client())) for _ in range(8)]
        for connection in idle:
            assert read_line(connection) == GREETING
        running.terminate()
        for connection in idle:
            assert until_end(connection).startswith(b"* BYE ")
    running.wait()
    until(lambda: not any(is_alive(pid) for pid in family), "the end of all processes")
    assert running.events(event="worker-ended") == []


def test_signals_of_a_terminal_go_through_the_main_process(
    front: StartFront, backend_server: Recorder, pki: Certificates, folder: Path
) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    admin = folder / "admin.sock"
    running = start(front, with_admin(configuration, admin), 2)
    for pid in running.process.family()[1:]:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
            os.kill(pid, number)
    Ctl(admin).settle()
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING
    assert running.all_events(event="worker-ended") == []


def test_maxconn_of_a_server_is_for_all_workers(pool: StartPool) -> None:
    started = pool({"a": {"maxconn": 3}}, checked=False, workers=WORKERS, timeout={"queue": "2m"})
    with ExitStack() as stack:
        clients = [stack.enter_context(started.client()) for _ in range(12)]
        until(lambda: sum(not client.has_to_wait(0) for client in clients) >= 3, "three clients that are served")
        served = [client for client in clients if not client.has_to_wait(0.5)]
        # Two workers that pick at the same moment do not see each other.
        assert 3 <= len(served) <= 3 + WORKERS - 1
        waiting = [client for client in clients if client not in served]
        for client in served:
            client.leave()
        until(lambda: sum(not client.has_to_wait(0) for client in waiting) >= 3, "places for those who waited")


def test_maxconn_of_a_frontend_is_for_all_workers(
    front: StartFront, backend_server: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend_server.port, tls="none", maxconn=4)
    start(front, configuration)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(20)]
        until(lambda: sum(is_ready(client, 0) for client in clients) >= 4, "four clients that are served")
        served = [client for client in clients if is_ready(client, 0.3)]
        assert 4 <= len(served) <= 4 + WORKERS - 1
        waiting = [client for client in clients if client not in served]
        for client in served:
            client.close()
        until(lambda: sum(is_ready(client, 0) for client in waiting) >= 4, "places for those who waited")


def test_leastconn_counts_sessions_of_all_workers(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}, "c": {}}, checked=False, workers=WORKERS, balance="leastconn")
    with ExitStack() as stack:
        # One after the other: two workers that pick at the same moment do not see each other.
        counts = Counter(stack.enter_context(started.client()).server for _ in range(30))
    assert counts == {"a": 10, "b": 10, "c": 10}


def test_what_checks_find_reaches_all_workers(pool: StartPool, folder: Path) -> None:
    admin = folder / "admin.sock"
    started = pool({"a": {}, "b": {}}, workers=WORKERS, top={"admin": {"socket": str(admin)}})
    started.turn_off("a")
    Ctl(admin).settle()
    assert set(started.spread(["127.0.0.1"] * 20)) == {"b"}
    os.kill(started.front.event(event="worker", worker=0)["pid"], signal.SIGKILL)
    started.front.until_events(WORKERS + 1, event="worker")  # one in place of the killed one
    assert set(started.spread(["127.0.0.1"] * 20)) == {"b"}
    started.turn_on("a")
    Ctl(admin).settle()
    assert set(started.spread(["127.0.0.1"] * 20)) == {"a", "b"}


def test_sessions_that_fail_take_a_server_down_for_all_workers(pool: StartPool) -> None:
    observed = {"observe": "connect", "error-limit": 6, "on-error": "mark-down"}
    slow = {"type": "tcp", "inter": "60s", "fastinter": "60s", "downinter": "60s"}
    nowhere = {"address": f"127.0.0.1:{free_port()}"}
    started = pool({"a": observed | nowhere | {"check": slow}, "b": {}}, workers=2, balance="roundrobin")
    started.spread(["127.0.0.1"] * 40)
    started.until("a", "down")


def test_reload_reaches_all_workers(front: StartFront, backend_server: Recorder, pki: Certificates) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    running = start(front, configuration)
    second = free_port()
    configuration["frontend"]["second"] = frontend(second, "recorder", tls="none")
    running.reload({"workers": WORKERS} | configuration)
    for _ in range(20):
        with connect(second) as connection:
            assert read_line(connection) == GREETING
    del configuration["frontend"]["front"]
    running.reload({"workers": WORKERS} | configuration)
    with pytest.raises(ConnectionRefusedError):
        connect(port)


@pytest.mark.parametrize("command", [TWISTD, TWIST], ids=["twistd -n", "twist"])
def test_commands_with_a_reactor_of_their_own_refuse_workers(
    folder: Path, backend_server: Recorder, pki: Certificates, command: Any
) -> None:
    configuration, _ = single(pki.server_ec, backend_server.port)
    with launch(folder, {"workers": 2} | configuration, command) as process:
        assert process.wait() == 1
        assert "workers: is 2; twistd and twist make their reactor before there are workers" in process.stderr


def test_port_in_use_stops_the_start_and_leaves_no_process(
    folder: Path, backend_server: Recorder, pki: Certificates
) -> None:
    configuration, port = single(pki.server_ec, backend_server.port)
    with socket.create_server(("127.0.0.1", port)), launch(folder, {"workers": 2} | configuration) as process:
        assert process.wait() == 1
        assert f"127.0.0.1:{port}" in process.stderr
    # The files of its output are closed when the last process has them no more.
    until(lambda: not any(_has_open(pid, folder) for pid in Path("/proc").glob("[0-9]*")), "the end of all processes")


def _has_open(process: Path, folder: Path) -> bool:
    try:
        return any(str(folder) in os.readlink(link) for link in (process / "fd").iterdir())
    except OSError:
        return False


# Administrators.


@pytest.fixture
def asked(front: StartFront, backend_server: Recorder, pki: Certificates, folder: Path) -> Asked:
    """A front with workers, an admin socket and sessions of which each worker may have some."""
    configuration, port = single(pki.server_ec, backend_server.port)
    socket_path = folder / "admin.sock"
    running = start(front, {"admin": {"socket": str(socket_path)}} | configuration)
    return Asked(running, port, socket_path, pki)


class Asked:
    """A running front, and `mailproxy ctl` for it."""

    def __init__(self, front: Front, port: int, path: Path, pki: Certificates) -> None:
        self.front, self.port, self._path, self.pki = front, port, path, pki

    def ctl(self, *words: str) -> list[dict[str, Any]]:
        """The rows that a command of `mailproxy ctl` answers."""
        return rows(self._path, words)

    def send(self, **request: str) -> None:
        """Send a request, and return with the first line of its answer."""
        with socket.socket(socket.AF_UNIX) as admin, admin.makefile("rw") as lines:
            admin.settimeout(PATIENCE_SECONDS)
            admin.connect(str(self._path))
            lines.readline()
            print(json.dumps(request), file=lines, flush=True)
            assert "error" not in json.loads(lines.readline())

    def client(self) -> ssl.SSLSocket:
        """A client that has its greeting."""
        connection = connect_tls(self.port, self.pki.client())
        assert read_line(connection) == GREETING
        return connection

    def crowd(self, stack: ExitStack, workers: int = 2) -> list[ssl.SSLSocket]:
        """Twelve clients or more that have their greeting: so many that this number of workers has some of them."""
        clients: list[ssl.SSLSocket] = []

        def are_everywhere() -> bool:
            clients.extend(stack.enter_context(self.client()) for _ in range(12))
            return len(workers_of(self.ctl("show", "sessions"))) >= workers

        until(are_everywhere, f"sessions of {workers} workers")
        return clients

    def settle(self) -> None:
        """Wait until all workers have done what the main process has told them so far."""
        Ctl(self._path).settle()


def test_sessions_of_all_workers_are_shown_and_ended(asked: Asked) -> None:
    with ExitStack() as stack:
        count = len(asked.crowd(stack))
        rows = asked.ctl("show", "sessions")
        assert len(rows) == count
        (server,) = asked.ctl("show", "servers")
        (shown,) = asked.ctl("show", "frontends")
        assert (server["sessions"], shown["current"], shown["sessions"]) == (count, count, count)
        asked.ctl("shutdown", "session", rows[-1]["id"])
        until(lambda: len(asked.ctl("show", "sessions")) == count - 1, "the end of one session")


def test_killed_worker_is_reported_to_administrators(asked: Asked) -> None:
    assert asked.ctl("show", "info")[0]["worker_ends"] == []
    os.kill(worker_pids(asked.front)[1], signal.SIGKILL)
    asked.front.until_events(WORKERS + 1, event="worker")  # one in place of the killed one
    (end,) = asked.ctl("show", "info")[0]["worker_ends"]
    assert re.fullmatch(r"worker 1 was killed by SIGKILL at \d\d:\d\d:\d\d UTC, and was replaced", end)


def test_frontend_is_drained_in_all_workers_and_accepts_again(asked: Asked) -> None:
    with asked.client() as client:
        asked.send(command="drain frontend", frontend="front")
        # The answer comes when no worker accepts any more.
        assert [is_refused(asked.port) for _ in range(30)] == [True] * 30
        os.kill(worker_pids(asked.front)[0], signal.SIGKILL)
        asked.front.until_events(WORKERS + 1, event="worker")  # one in place of the killed one
        asked.settle()
        assert is_refused(asked.port)
        asked.ctl("enable", "frontend", "front")
        for _ in range(12):
            asked.client().close()
        del client


def is_refused(port: int) -> bool:
    """Whether no process listens on a port."""
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    return False


class Comers:
    """Clients that come all the time in threads, on a port or a UNIX socket; to be refused is no loss."""

    def __init__(self, where: int | Path) -> None:
        self.served = 0
        self.lost: list[str] = []
        self._where = where
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(16)]

    def _come(self, stack: ExitStack) -> socket.socket:
        if isinstance(self._where, int):
            return stack.enter_context(connect(self._where))
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.settimeout(PATIENCE_SECONDS)
        client.connect(str(self._where))
        return client

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                with ExitStack() as stack:
                    if read_line(self._come(stack)) != GREETING:
                        raise EOFError("no greeting")
                self.served += 1
            except (ConnectionRefusedError, FileNotFoundError):
                self._is_over.wait(0.01)
            except (OSError, EOFError) as error:
                self.lost.append(repr(error))

    def until_more(self) -> None:
        """Wait until some more are served."""
        target = self.served + 20
        until(lambda: self.served >= target, "more clients")

    def __enter__(self) -> Comers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("kind", ["port", "unix"])
def test_drains_under_load_lose_no_client_that_has_connected(
    front: StartFront, backend_server: Recorder, pki: Certificates, folder: Path, kind: str
) -> None:
    configuration, port = single(pki.server_ec, backend_server.port, tls="none")
    path = folder / "front.sock"
    configuration["frontend"]["front"]["bind"].append(str(path))
    start(front, with_admin(configuration, folder / "admin.sock"))
    with Comers(port if kind == "port" else path) as comers, Call(str(folder / "admin.sock")) as call:
        for _ in range(5):
            comers.until_more()
            for command in ("drain frontend", "enable frontend"):
                *_, done = call.ask(Request(BY_NAME[command], {"frontend": "front"}))
                assert done["type"] == "done", done
    assert comers.lost == []


def test_server_that_is_drained_gets_no_sessions_of_any_worker(asked: Asked) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(asked.client()) for _ in range(8)]
        asked.ctl("drain", "server", "recorder/only", "kick", "spread", "0s")
        for client in clients:
            assert until_end(client).startswith(b"* BYE ")
        asked.settle()
        refused = stack.enter_context(connect_tls(asked.port, asked.pki.client()))
        assert until_end(refused).startswith(b"* BYE ")


def test_sessions_of_all_workers_are_watched(asked: Asked, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as watcher:
        watcher.connect(str(folder / "admin.sock"))
        watcher.settimeout(PATIENCE_SECONDS)
        lines = watcher.makefile("r")
        lines.readline()
        watcher.sendall(b'{"command": "watch", "events": "sessions"}\n')
        ids: set[str] = set()
        workers: set[str] = set()
        while len(workers) < 2 or len(ids) < 24:
            assert len(ids) < 1000
            with asked.client():
                begun = json.loads(lines.readline())
            ended = json.loads(lines.readline())
            assert [begun["event"], ended["event"]] == ["session-begin", "session"]
            assert begun["id"] == ended["id"]
            assert (begun["server"], begun["client"], begun["tls"]) == ("only", ended["client"], "TLSv1.3")
            assert ended["id"] not in ids
            ids.add(ended["id"])
            workers.add(worker_of(ended))


def test_workers_leave_the_admin_socket_to_the_main_process(
    front: StartFront, backend_server: Recorder, pki: Certificates, folder: Path
) -> None:
    served = folder / "served.pem"
    served.write_bytes(pki.server_ec.read_bytes())
    served.chmod(0o600)
    configuration, port = single(served, backend_server.port)
    running = start(front, with_admin(configuration, folder / "admin.sock"), 2)
    before = served_by(port, pki)
    served.write_bytes(pki.server_rsa.read_bytes())
    Ctl(folder / "admin.sock").output("reload")
    assert not served_by(port, pki) & before
    assert running.all_events(event="worker-unready") == []
    found = holders(folder / "admin.sock")
    assert found
    assert not found & set(worker_pids(running).values())


def holders(path: Path) -> set[int]:
    """The processes that have the listening socket at a path."""
    link = f"socket:[{listener_at(path)}]"
    found = set()
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(descriptor) == link:
                found.add(int(descriptor.parts[2]))
    return found
