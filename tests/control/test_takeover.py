"""Taking the listening sockets of a running service over: what comes with the rows of its answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.logger import globalLogPublisher

from mailproxy.config import UnixBind
from mailproxy.control.answers import Answers
from mailproxy.control.call import NoService
from mailproxy.control.client import IDLE_SECONDS
from mailproxy.control.takeover import StillServes, Takeover
from mailproxy.control.watch import Watch
from mailproxy.front.admin import AdminPlace
from tests.control.bench import Admin, admin_of
from tests.control.conftest import Make
from tests.control.service import DONE, HELLO
from tests.running import Running

Answer = Callable[[socket.socket, list[int]], None]
Returned = TypeVar("Returned")


@pytest.fixture
def offered() -> Iterator[list[socket.socket]]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(40)]
    yield sockets
    for sock in sockets:
        sock.close()


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def take_over(path: Path, answer: Answer, offered: list[socket.socket], pid: int = 4711) -> Takeover:
    """Take over from a service that answers as told; it has ended by then."""
    return while_serving(path, answer, offered, pid, lambda: Takeover(str(path)))


def while_serving(
    path: Path, answer: Answer, offered: list[socket.socket], pid: int, do: Callable[[], Returned]
) -> Returned:
    """Do something while a service answers as told."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(line(**HELLO | {"pid": pid}))
                asked = b""
                while not asked.endswith(b"\n"):
                    asked += connection.recv(4096)
                assert json.loads(asked)["command"] == "hand over"
                answer(connection, [sock.fileno() for sock in offered])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return do()
        finally:
            thread.join(10)


def piecemeal(connection: socket.socket, descriptors: list[int]) -> None:
    """Send a descriptor with each of the first bytes, as Twisted does."""
    data = b"".join(line(type="row", address=str(number)) for number in descriptors) + line(**DONE)
    for place, descriptor in enumerate(descriptors):
        socket.send_fds(connection, [data[place : place + 1]], [descriptor])
    connection.sendall(data[len(descriptors) :])


def test_every_socket_arrives(tmp_path: Path, offered: list[socket.socket]) -> None:
    taken = take_over(tmp_path / "admin.sock", piecemeal, offered)
    assert taken.process == 4711
    assert [sock.getsockname() for sock in taken.sockets] == [sock.getsockname() for sock in offered]
    for sock in taken.sockets:
        assert not sock.get_inheritable()
        sock.close()
    with pytest.raises(NoService):
        taken.finish()


@pytest.mark.parametrize("is_alive", [True, False])
def test_service_that_has_closed_the_connection_may_live(
    tmp_path: Path, offered: list[socket.socket], is_alive: bool
) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        taken = take_over(tmp_path / "admin.sock", piecemeal, offered, process.pid)
        if is_alive:
            taken.end_seconds = 0.1
        else:
            process.kill()
        with pytest.raises(NoService) as raised:
            taken.finish()
        process.kill()
    assert isinstance(raised.value, StillServes) == is_alive
    for sock in taken.sockets:
        sock.close()


def test_fewer_sockets_than_rows_are_an_error(tmp_path: Path, offered: list[socket.socket]) -> None:
    def answer(connection: socket.socket, descriptors: list[int]) -> None:
        socket.send_fds(connection, [line(type="row", address="a")], descriptors[:1])
        connection.sendall(line(type="row", address="b") + line(**DONE))

    with pytest.raises(NoService, match="names 2 sockets and has sent 1"):
        take_over(tmp_path / "admin.sock", answer, offered)


def test_error_of_the_service_is_reported(tmp_path: Path) -> None:
    def answer(connection: socket.socket, descriptors: list[int]) -> None:
        connection.sendall(line(type="error", error="the service is already stopping"))

    with pytest.raises(NoService, match="the service is already stopping"):
        take_over(tmp_path / "admin.sock", answer, [])


def test_end_in_the_middle_is_an_error(tmp_path: Path, offered: list[socket.socket]) -> None:
    def answer(connection: socket.socket, descriptors: list[int]) -> None:
        socket.send_fds(connection, [b'{"type": "r'], descriptors[:3])

    with pytest.raises(NoService, match="closed the connection"):
        take_over(tmp_path / "admin.sock", answer, offered)


# The process that leaves.


def test_process_that_leaves_ends_no_session(make: Make) -> None:
    running = make(drain_delay=5.0)
    client, _ = running.relay()
    assert [sock.getsockname() for sock in running.service.listening] == [
        sock.getsockname() for sock in running.listening
    ]
    running.service.stop.leave(running.service.stop.times_to_leave())
    stop(running)
    running.advance(60)
    assert not client.fin
    (event,) = running.logged("stopping")
    assert event["seconds"] == 3600 + 60 + 10


def test_process_that_leaves_removes_no_file(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "front.sock"
    running = make(bind=(UnixBind(str(path)),))
    running.service.stop.leave(running.service.stop.times_to_leave())
    stop(running)
    running.advance(0.1)
    assert running.has_stopped
    assert path.exists()


def test_process_that_leaves_does_not_listen_for_administrators(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    running = make()
    sockets = running.service.process_state.admin
    sockets.bind([AdminPlace("admin.socket", UnixBind(str(path)), 0o600)])
    running.service.stop.leave(running.service.stop.times_to_leave())
    assert sockets.sockets == []
    assert path.exists()
    stop(running)


def test_process_that_leaves_keeps_to_the_times_that_it_is_given(make: Make) -> None:
    running = make(drain_timeout=120.0)
    running.relay()
    running.service.stop.leave(running.service.stop.times_to_leave(spread=5.0))
    stop(running)
    (event,) = running.logged("stopping")
    assert event["seconds"] == 120 + 5 + 10


@pytest.fixture
def two(make: Make) -> tuple[Running, Admin, Admin]:
    """A service, and two processes that are connected to its admin socket."""
    running = make()
    watch = Watch(globalLogPublisher)
    answers = Answers(running.service, watch.__len__)
    first, second = (Admin(answers, watch, running.reactor, process=process) for process in (1, 2))
    return running, first, second


def test_second_process_gets_no_sockets(two: tuple[Running, Admin, Admin]) -> None:
    running, first, second = two
    assert len(first.rows("hand over")) == 1
    refused = "another process is taking over right now: the sockets were sent on request by user 0, process 1"
    assert second.reply("hand over") == refused
    assert second.reply("leave") == refused
    assert second.transport.descriptors == []
    row, done = first.ask("leave")
    assert row == {"type": "row", "left_s": 3600 + 60 + 10}
    assert done["message"] == "the service leaves its sockets to another process"
    assert second.reply("hand over") == refused
    first.lose()
    assert running.service.stop.has_begun
    assert second.reply("hand over") == "the service is already stopping, and has no listening sockets"


def test_changes_that_the_taker_would_not_have_are_refused(two: tuple[Running, Admin, Admin]) -> None:
    _, first, second = two
    first.rows("hand over")
    for command, arguments in (
        ("set server state", {"server": "dovecot/d1", "state": "drain"}),
        ("drain frontend", {"frontend": "front"}),
        ("ban", {"network": "192.0.2.1"}),
    ):
        assert second.reply(command, **arguments).startswith("another process is taking over right now")
    assert len(second.rows("show servers")) == 1
    first.lose()
    assert second.reply("set server state", server="dovecot/d1", state="drain").endswith("ready -> drain")


def test_nothing_is_handed_over_while_a_frontend_is_drained(two: tuple[Running, Admin, Admin]) -> None:
    running, first, _ = two
    running.service.drains.frontend("front")
    assert first.reply("hand over") == "a frontend is just being drained; try again in a second"


def test_hand_over_is_forgotten_with_its_connection(two: tuple[Running, Admin, Admin]) -> None:
    running, first, second = two
    first.rows("hand over")
    running.advance(IDLE_SECONDS / 2)
    second.rows("show info")
    running.advance(IDLE_SECONDS / 2)
    assert first.transport.disconnecting
    first.lose()
    assert not running.service.stop.has_begun
    assert len(second.rows("hand over")) == 1


def test_service_that_takes_over_hands_nothing_over(two: tuple[Running, Admin, Admin]) -> None:
    running, first, _ = two
    running.service.takeover_end.is_under_way = True
    assert first.reply("hand over").startswith("the service is taking over from another process right now")


def test_previous_process_says_how_long_its_sessions_last(tmp_path: Path, offered: list[socket.socket]) -> None:
    def answer(connection: socket.socket, descriptors: list[int]) -> None:
        piecemeal(connection, descriptors)
        assert json.loads(connection.recv(4096))["command"] == "leave"
        connection.sendall(line(type="row", left_s=3670.0) + line(**DONE))

    def take_and_finish() -> float | None:
        taken = Takeover(str(path))
        for sock in taken.sockets:
            sock.close()
        return taken.finish()

    path = tmp_path / "admin.sock"
    assert while_serving(path, answer, offered, 4711, take_and_finish) == 3670.0


def follow(running: Running, error: Exception | None, pid: int = 4711) -> None:
    """Start a service that takes over from another one, which answers at once."""
    is_over = threading.Event()

    def finish() -> float | None:
        try:
            if error is not None:
                raise error
            return 600.0
        finally:
            is_over.set()

    running.service.takeover_end.begin(pid, finish)
    assert running.service.takeover_end.is_under_way
    running.until(lambda: is_over.is_set() and not running.service.takeover_end.is_under_way)


def test_process_whose_predecessor_keeps_the_sockets_leaves_with_status_1(make: Make) -> None:
    running = make()
    follow(running, StillServes("the service has closed the connection"))
    assert running.service.stop.has_begun
    assert running.service.stop.exit_status == 1
    assert running.logged("taken-over")[-1]["log_level"].name == "error"


def test_process_that_leaves_advises_nobody_to_end_its_predecessor(make: Make) -> None:
    running = make()
    admin = admin_of(running.service, running.reactor)
    follow(running, StillServes("the service has closed the connection"), os.getpid())
    assert admin.rows("show info")[0]["replaced_pid"] is None
    assert admin.reply("show sessions") == ""


@pytest.mark.parametrize("error", [None, NoService("no answer within 30 s")])
def test_process_whose_predecessor_left_or_is_silent_continues(make: Make, error: Exception | None) -> None:
    running = make()
    follow(running, error)
    assert not running.service.stop.has_begun
    assert running.service.stop.exit_status == 0


def test_sessions_that_the_predecessor_keeps_are_named_until_it_ends(make: Make) -> None:
    running = make()
    admin = admin_of(running.service, running.reactor)
    with subprocess.Popen(["sleep", "60"]) as process:
        follow(running, None, process.pid)
        running.advance(30)
        (row,) = admin.rows("show info")
        assert (row["replaced_pid"], row["replaced_left_s"]) == (process.pid, pytest.approx(570.0, abs=1.0))
        words = f"process {process.pid}, which this one has replaced, still has its sessions for up to "
        for command, arguments in (
            ("show sessions", {}),
            ("ban", {"network": "192.0.2.1", "kick": "yes"}),
            ("drain server", {"server": "dovecot/d1", "kick": "yes"}),
            ("shutdown session", {"session": "1f-1"}),
            ("stop", {}),
        ):
            assert words in admin.reply(command, **arguments), command
        process.kill()
    (row,) = admin_of(running.service, running.reactor).rows("show info")
    assert row["replaced_pid"] is None
    assert admin_of(running.service, running.reactor).reply("show sessions") == ""


def stop(running: Running) -> None:
    """Do what the reactor does after `stop`."""
    running.reactor.advance(0)
    running.stop()
