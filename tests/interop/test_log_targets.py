"""Targets of the log: files that are rotated, servers of syslog and of the journal, and what becomes of all of them."""

import json
import re
import resource
import shutil
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import RUN, TWIST, TWISTD, Front, single
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.visits import Visits
from tests.interop.waiting import PATIENCE_SECONDS, until

COMMANDS = pytest.mark.parametrize("command", [RUN, TWISTD, TWIST], ids=["mailproxy run", "twistd -n", "twist"])
WORKERS = pytest.mark.parametrize("workers", [0, 2])
Command = Sequence[str | Path]
Configuration = dict[str, Any]

RATE = 200.0  # new connections a second
ROTATIONS = 5

# What waits for a target at most, and clients that leave before TLS whose lines are more than that.
QUEUE_BYTES = 1024 * 1024
FLOOD = 4000

LOST = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER for a connection that is reset at its end."""


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


def configured(pki: Certificates, backend: Recorder, target: object, **log: str) -> tuple[Configuration, int]:
    """A configuration with this target, and its port."""
    configuration, port = single(pki.server_ec, backend.port)
    configuration["log"] = {"format": "json", "target": str(target)} | log
    return configuration, port


def visit(port: int, pki: Certificates) -> None:
    """Be a client that is served."""
    with connect_tls(port, pki.client()) as connection:
        assert read_line(connection) == GREETING


def events(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, each of which must be whole; the last one as soon as it is."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def until_ready(log: Path) -> None:
    """Wait for the end of the start."""
    until(lambda: any(event["event"] == "ready" for event in events(log)), "the start")


def sessions(*paths: Path) -> list[str]:
    """The ids of sessions in files."""
    return [event["id"] for path in paths for event in events(path) if event["event"] == "session"]


class Server:
    """Reads a socket in a thread until it is closed; a test can pause it."""

    def __init__(self, sock: socket.socket, receive: Callable[[socket.socket], bytes]) -> None:
        self.messages: list[bytes] = []
        self._socket = sock
        self._receive = receive
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def pause(self) -> None:
        """Read no more; one message may come yet."""
        self._may_go_on.clear()

    def go_on(self) -> None:
        """Read again."""
        self._may_go_on.set()

    def _run(self) -> None:
        while self._may_go_on.wait():
            try:
                message = self._receive(self._socket)
            except OSError:
                return
            if not message:
                return
            self.messages.append(message)

    def close(self) -> None:
        """Listen no more."""
        self.go_on()
        # This wakes a thread that receives, unlike close.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def unix_server(path: Path, receive: Callable[[socket.socket], bytes] = lambda sock: sock.recv(1_000_000)) -> Server:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    return Server(sock, receive)


class UdpServer(Server):
    """A syslog server over UDP; a datagram of its own ends it, as shutdown does nothing to it."""

    def __init__(self, port: int = 0) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", port))
        self.port: int = sock.getsockname()[1]
        self._own = sock
        super().__init__(sock, lambda sock: sock.recv(100_000))

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._own.close()


def receive_frame(sock: socket.socket) -> bytes:
    """Receive a message with its length in front."""
    digits = b""
    while not digits.endswith(b" "):
        more = sock.recv(1)
        if not more:
            return b""
        digits += more
    return sock.recv(int(digits), socket.MSG_WAITALL)


def accept(listener: socket.socket) -> Server:
    listener.settimeout(PATIENCE_SECONDS)
    connection, _ = listener.accept()
    connection.settimeout(None)
    return Server(connection, receive_frame)


SYSLOG = re.compile(
    rb"<(?P<priority>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<host>[!-~]{1,255}) mailproxy "
    rb'(?P<pid>\d+) (?P<event>[!-~]{1,32}) (?P<data>-|\[mailproxy@32473( [!-~]{1,32}="([^"\\\]]|\\["\\\]])*")+\]) '
    rb"(?P<words>.*)"
)


def syslog(message: bytes) -> dict[str, bytes]:
    """Take a message of RFC 5424 apart."""
    found = SYSLOG.fullmatch(message)
    assert found, message
    return found.groupdict()


def messages_about(server: Server, event: bytes) -> list[dict[str, bytes]]:
    """The messages about an event."""
    return [one for one in map(syslog, list(server.messages)) if one["event"] == event]


def until_session(server: Server) -> dict[str, bytes]:
    """The only message about a session, once it is there."""
    until(lambda: messages_about(server, b"session"), "a message about a session")
    (session,) = messages_about(server, b"session")
    return session


def flood(port: int, count: int) -> None:
    """Be a client that is served without TLS, this number of times."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert read_line(connection) == GREETING


# Files.


@WORKERS
def test_rotation_under_load_loses_no_line(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path, workers: int
) -> None:
    """Nor have two sessions the same id."""
    log = folder / "mailproxy.log"
    configuration, port = configured(pki, backend, log)
    configuration["workers"] = workers
    running = front(configuration)
    old: list[Path] = []
    with Visits(port, pki.client(), GREETING, RATE) as visits:
        for number in range(ROTATIONS):
            until(lambda: len(sessions(log)) > RATE / 8, "lines of sessions")
            old.append(log.rename(folder / f"mailproxy.log.{number}"))
            running.process.send(signal.SIGUSR1)
            until(log.exists, "a new file")
    assert visits.failures == []
    running.terminate()
    running.wait()
    assert len(sessions(log)) < visits.count
    found = sessions(*old, log)
    assert len(found) == len(set(found)) == visits.count
    assert all(sessions(path) for path in old)
    assert running.process.stdout == ""


@COMMANDS
def test_file_is_opened_again_on_the_signal_and_at_a_reload(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path, command: Command
) -> None:
    log = folder / "mailproxy.log"
    configuration, port = configured(pki, backend, log)
    running = front(configuration, command=command)
    until_ready(log)
    for number, opens in enumerate((signal.SIGUSR1, signal.SIGHUP)):
        old = log.rename(folder / f"mailproxy.log.{number}")
        count = len(sessions(old)) + 1
        visit(port, pki)
        until(
            lambda old=old, count=count: len(sessions(old)) == count,  # type: ignore[misc]  # defaults
            "the line of a session in the renamed file",
        )
        running.process.send(opens)
        until(log.exists, "a new file")
        visit(port, pki)
        until(lambda: sessions(log), "the line of a session in the new file")
        assert len(sessions(log)) == 1
        assert len(sessions(old)) == count


def test_log_file_of_twistd_is_rotated_by_twistd(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    own, log = folder / "twistd.log", folder / "mailproxy.log"
    configuration, port = configured(pki, backend, log)
    running = front(configuration, command=(*TWISTD[:1], "--logfile", own, *TWISTD[1:]))
    visit(port, pki)
    until(lambda: "session id=" in own.read_text(), "the line of a session")
    running.process.send(signal.SIGUSR1)
    until((folder / "twistd.log.1").exists, "a rotated file")
    assert not log.exists()


def test_disk_that_is_full_for_a_while_loses_no_line(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    log = folder / "mailproxy.log"
    configuration, port = configured(pki, backend, log)
    running = front(configuration)
    until_ready(log)
    pid = running.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    # The next line is cut in the middle.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 100, hard))
    for _ in range(20):
        visit(port, pki)
    until(lambda: "File too large; lines wait" in running.process.stderr, "a complaint")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    lines = until(lambda: _at_least(20, log), "the lines")
    assert len(lines) == 20
    assert running.process.stderr.count("\n") == 1


def _at_least(count: int, log: Path) -> list[str]:
    """The whole lines about sessions, with what was cut left out, if there are as many."""
    lines = [line for line in log.read_text().splitlines() if line.endswith("}")]
    found = [event["id"] for event in map(json.loads, lines) if event["event"] == "session"]
    return found if len(found) >= count else []


def test_disk_that_stays_full_stops_nobody(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    configuration, port = configured(pki, backend, "/dev/full")
    running = front(configuration)
    for _ in range(20):
        visit(port, pki)
    until(lambda: running.process.stderr, "a complaint")
    assert running.process.stderr == (
        "mailproxy: log: /dev/full: No space left on device; lines wait, the next try is in a second\n"
    )


def test_folder_that_is_deleted_and_back_loses_nothing_after_that(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    log = folder / "logs" / "mailproxy.log"
    log.parent.mkdir()
    configuration, port = configured(pki, backend, log)
    running = front(configuration)
    until_ready(log)
    shutil.rmtree(log.parent)
    for _ in range(3):
        visit(port, pki)
    until(lambda: "No such file or directory; lines wait" in running.process.stderr, "a complaint")
    log.parent.mkdir()
    until(lambda: len(sessions(log)) == 3, "the lines")


# Servers of syslog.


def test_syslog_gets_lines_over_udp(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    with UdpServer() as server:
        configuration, port = configured(pki, backend, f"syslog:udp:127.0.0.1:{server.port}", format="text")
        running = front(configuration)
        visit(port, pki)
        session = until_session(server)
        assert session["priority"] == b"22"
        assert int(session["pid"]) == running.process.pid
        assert b' frontend="front" client="127.0.0.1:' in session["data"]
        assert re.match(rb"session id=\S+ frontend=front client=127\.0\.0\.1:", session["words"])
        assert len(messages_about(server, b"ready")) == 1


def test_syslog_gets_lines_over_tcp(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = f"syslog:tcp:127.0.0.1:{listener.getsockname()[1]}"
        configuration, port = configured(pki, backend, where, facility="local3")
        front(configuration)
        with accept(listener) as server:
            visit(port, pki)
            session = until_session(server)
            assert (session["priority"], session["data"]) == (b"158", b"-")
            assert json.loads(session["words"])["frontend"] == "front"


def test_syslog_gets_lines_over_a_unix_socket(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    path = folder / "log"
    with unix_server(path) as server:
        configuration, port = configured(pki, backend, f"syslog:{path}")
        front(configuration)
        visit(port, pki)
        assert json.loads(until_session(server)["words"])["event"] == "session"


def test_server_that_comes_late_and_is_started_again_gets_every_line(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    path = folder / "log"
    configuration, port = configured(pki, backend, f"syslog:{path}")
    running = front(configuration)
    counts = []
    for _ in range(2):
        visit(port, pki)
        visit(port, pki)
        until(lambda: "lines wait" in running.process.stderr, "a complaint")
        with unix_server(path) as server:
            until(lambda server=server: len(messages_about(server, b"session")) == 2, "lines")  # type: ignore[misc]  # a default
            counts.append(len(messages_about(server, b"dropped")))
    assert counts == [0, 0]


def test_connection_that_breaks_is_made_again(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = f"syslog:tcp:127.0.0.1:{listener.getsockname()[1]}"
        configuration, port = configured(pki, backend, where)
        front(configuration)
        for _ in range(3):
            visit(port, pki)
            with accept(listener) as server:
                until_session(server)


def test_server_that_does_not_read_stops_nobody(front: StartFront, backend: Recorder, pki: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = f"syslog:tcp:127.0.0.1:{listener.getsockname()[1]}"
        configuration, port = configured(pki, backend, where)
        front(configuration)
        listener.settimeout(PATIENCE_SECONDS)
        connection, _ = listener.accept()
        for _ in range(30):
            visit(port, pki)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LOST)
        connection.close()


def test_dropped_lines_are_counted_and_reported(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    path = folder / "log"
    with unix_server(path) as server:
        configuration, port = configured(pki, backend, f"syslog:{path}")
        configuration["frontend"]["front"]["tls"] = "none"
        front(configuration)
        until(lambda: messages_about(server, b"ready"), "the start")
        server.pause()
        flood(port, FLOOD + 1)
        server.go_on()
        until(lambda: messages_about(server, b"dropped"), "a line about a gap", pause=0.2)
        (gap,) = messages_about(server, b"dropped")
        assert json.loads(gap["words"])["reason"] == f"{path} was blocked"
        dropped = json.loads(gap["words"])["lines"]
        assert dropped > 0
        until(
            lambda: len(messages_about(server, b"session")) + dropped == FLOOD + 1,
            "all lines that were not dropped",
            pause=0.2,
        )
        assert sum(map(len, server.messages)) >= QUEUE_BYTES


# The journal.


def receive_entry(sock: socket.socket) -> bytes:
    """Receive an entry as journald does: a datagram, or the memory file that comes with an empty one."""
    data, descriptors, _, _ = socket.recv_fds(sock, 1_000_000, 1)
    if not descriptors:
        return data
    with open(descriptors[0], "rb") as file:
        file.seek(0)
        return file.read()


def fields(entry: bytes) -> Iterator[tuple[str, str]]:
    """Take an entry apart."""
    while entry:
        head, _, entry = entry.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            (size,) = struct.unpack_from("<Q", entry)
            value, entry = entry[8 : 8 + size], entry[9 + size :]
        yield name.decode(), value.decode()


def test_journal_has_fields(front: StartFront, backend: Recorder, pki: Certificates, folder: Path) -> None:
    path = folder / "socket"
    with unix_server(path, receive_entry) as server:
        configuration, port = configured(pki, backend, f"journal:{path}", format="text")
        running = front(configuration)
        visit(port, pki)

        def session() -> dict[str, str]:
            entries = [dict(fields(entry)) for entry in list(server.messages)]
            return next((entry for entry in entries if entry["MAILPROXY_EVENT"] == "session"), {})

        entry = until(session, "the entry of a session")
        assert entry["SYSLOG_IDENTIFIER"] == "mailproxy"
        assert entry["PRIORITY"] == "6"
        assert entry["MAILPROXY_FRONTEND"] == "front"
        assert entry["MESSAGE"].startswith(f"session id={entry['MAILPROXY_ID']} frontend=front client=127.0.0.1:")
        assert running.process.stdout == ""


# Several, and their changes.


@WORKERS
def test_reload_changes_the_target_under_load_and_loses_no_line(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path, workers: int
) -> None:
    paths = [folder / "a.log", folder / "b.log"]
    configuration, port = configured(pki, backend, paths[0])
    configuration["workers"] = workers
    running = front(configuration)
    with Visits(port, pki.client(), GREETING, RATE) as visits:
        for number in range(1, 4):
            visits.until_more(RATE / 4)
            reloads = _reloads(*paths)
            configuration["log"]["target"] = str(paths[number % 2])
            running.write(configuration)
            running.process.send(signal.SIGHUP)
            until(lambda reloads=reloads: _reloads(*paths) > reloads, "a reload")  # type: ignore[misc]  # a default
    assert visits.failures == []
    running.terminate()
    running.wait()
    found = sessions(*paths)
    assert len(found) == len(set(found)) == visits.count
    assert all(sessions(path) for path in paths)


def _reloads(*paths: Path) -> int:
    # The last line may not be whole yet.
    return sum(path.read_text().count('"event": "reloaded"') for path in paths if path.exists())


def test_frontend_may_have_its_own_target(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    log = folder / "front.log"
    configuration, port = configured(pki, backend, "stdout")
    configuration["frontend"]["front"]["log"] = {"target": str(log), "level": "info"}
    running: Front = front(configuration)
    visit(port, pki)
    until(lambda: sessions(log), "the line of a session")
    assert running.all_events(event="session") == []
    assert [event["event"] for event in events(log)] == ["listening", "session"]


def test_target_that_cannot_be_is_a_warning_and_no_reason_to_stop(
    front: StartFront, backend: Recorder, pki: Certificates, folder: Path
) -> None:
    configuration, port = configured(pki, backend, "stdout")
    configuration["frontend"]["front"]["log"] = {"target": f"{folder}/no/front.log"}
    running = front(configuration)
    visit(port, pki)
    (warning,) = running.all_events(event="warning")
    assert warning["warning"] == (
        f"frontend.front.log.target: {folder}/no/front.log cannot be written: there is no folder {folder}/no"
    )
    with closing(socket.create_connection(("127.0.0.1", port))):
        assert running.process.is_alive
