"""One frontend or one server taken out of service, and back."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from mailproxy.front.drains import NoSuchPart
from mailproxy.front.sockets import StartError
from mailproxy.transport import bound
from mailproxy.transport.newcomers import HANDSHAKE_SECONDS
from tests.interop.ports import free_port
from tests.test_reload import FILE, Front


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with ExitStack() as stack:
        events: Any = stack.enter_context(capturedLogs())
        made = Front(tmp_path, events)
        stack.callback(made.close)
        made.start()
        made.reload('drain-spread = "10s"\nhard-stop-after = "3s"\n' + FILE)
        yield made
        made.service.drains.stop()
        assert [event["log_failure"] for event in events if "log_failure" in event] == []


def drained(front: Front) -> int:
    """Drain the frontend; return the number of sessions that are left."""
    left: list[int] = []
    front.service.drains.frontend("front").addCallback(left.append)
    front.advance(HANDSHAKE_SECONDS)
    return left[0]


# A frontend.


def test_clients_of_a_drained_frontend_are_refused_and_sessions_continue(front: Front) -> None:
    client, server = front.relay()
    assert drained(front) == 1
    assert front.words("frontend") == ["frontend front accepts no clients, 1 sessions are left"]
    with pytest.raises(FileNotFoundError):
        front.socket("front.sock")
    front.advance(60)
    server.send(b"* 1 EXISTS\r\n")
    front.until(lambda: client.data.endswith(b"EXISTS\r\n"))


def test_clients_that_wait_already_are_served(front: Front) -> None:
    waiting = [front.client() for _ in range(3)]
    assert drained(front) == len(waiting)


@pytest.mark.parametrize("kind", ["inet", "unix"])
def test_frontend_that_is_ready_again_listens_where_it_did(front: Front, kind: str) -> None:
    port = free_port()
    if kind == "inet":
        front.reload(FILE.replace("{folder}/front.sock", f"127.0.0.1:{port}"))
    drained(front)
    if kind == "inet":
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"), socket.socket() as other:
            other.bind(("127.0.0.1", port))
    for _ in range(2):
        front.service.drains.frontend_ready("front")
    front.relay()


def inet(front: Front) -> tuple[str, int]:
    """Let the frontend listen on a port."""
    port = free_port()
    front.reload(FILE.replace("{folder}/front.sock", f"127.0.0.1:{port}"))
    return "127.0.0.1", port


def test_clients_of_a_port_that_have_connected_are_served_before_it_refuses(front: Front) -> None:
    address = inet(front)
    left: list[int] = []
    front.service.drains.frontend("front").addCallback(left.append)
    front.advance(HANDSHAKE_SECONDS / 2)
    with socket.socket() as late:
        late.setblocking(False)
        late.connect_ex(address)
        # Its first segment is dropped, so it is in no queue that the drain resets.
        assert late.connect_ex(address) == errno.EALREADY
        assert left == []
        front.advance(HANDSHAKE_SECONDS / 2)
        assert left == [0]
        assert late.connect_ex(address) == errno.EALREADY
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_port_that_is_drained_where_the_kernel_has_no_filters_refuses_at_once(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(sock: socket.socket) -> None:
        raise OSError(errno.EPERM, "no filters")

    monkeypatch.setattr(bound, "keep_away", refuse)
    address = inet(front)
    front.service.drains.frontend("front")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_frontend_that_is_drained_again_meanwhile_answers_both(front: Front) -> None:
    inet(front)
    left: list[int] = []
    for _ in range(2):
        front.service.drains.frontend("front").addCallback(left.append)
    front.advance(HANDSHAKE_SECONDS)
    assert left == [0, 0]


def test_frontend_that_is_wanted_back_during_its_drain_accepts_after_all(front: Front) -> None:
    inet(front)
    front.service.drains.frontend("front")
    front.service.drains.frontend_ready("front")
    front.advance(HANDSHAKE_SECONDS)
    front.relay()


def test_frontend_that_is_removed_during_its_drain_ends_the_drain(front: Front) -> None:
    inet(front)
    left: list[int] = []
    front.service.drains.frontend("front").addCallback(left.append)
    front.reload(FILE.replace("frontend.front", "frontend.other"))
    front.advance(HANDSHAKE_SECONDS)
    assert left == [0]


def test_stop_during_a_drain_lets_clients_of_others_in(front: Front) -> None:
    address = inet(front)
    (kept,) = front.service.listening  # as another process has it, or systemd's store
    with kept.dup():
        front.service.drains.frontend("front")
        with pytest.raises(TimeoutError):
            socket.create_connection(address, 0.1)
        front.stop()
        with socket.create_connection(address, 5):
            pass


def test_frontend_stays_drained_over_a_reload(front: Front) -> None:
    port = free_port()
    front.service.drains.frontend("front")
    front.reload(FILE.replace("{folder}/front.sock", f"127.0.0.1:{port}"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert front.words("listening")[-1].startswith("frontend front listens on nothing, as it is drained")
    front.service.drains.frontend_ready("front")
    front.relay()


def test_frontend_that_cannot_listen_any_more_stays_drained(front: Front) -> None:
    front.service.drains.frontend("front")
    (front.folder / "front.sock").write_text("something else")
    with pytest.raises(StartError, match=r"frontend\.front\.bind: cannot listen on .*Address already in use"):
        front.service.drains.frontend_ready("front")
    (front.folder / "front.sock").unlink()
    front.service.drains.frontend_ready("front")
    front.relay()


def test_sessions_of_a_drained_frontend_are_kicked_spread_over_time(front: Front) -> None:
    clients = [front.relay()[0] for _ in range(10)]
    front.reload(FILE + "weight = 50\n")  # sessions of an earlier reading are meant as well
    front.service.drains.frontend("front", kick=True, spread=10.0)
    front.advance(4.0)
    gone = sum(client.fin for client in clients)
    assert 2 <= gone <= 6
    front.advance(8.0)
    assert all(client.fin for client in clients)
    assert {event["reason"] for event in front.logged("session")} == {"frontend front is drained"}


def test_busy_session_that_is_kicked_ends_at_last(front: Front) -> None:
    client, _ = front.relay()
    front.service.drains.frontend("front", kick=True)
    front.stay_busy(client, 12.5)
    assert not client.fin
    front.stay_busy(client, 1.25)
    assert client.fin or client.reset


def test_stop_ends_what_is_kicked(front: Front) -> None:
    client, _ = front.relay()
    front.service.drains.frontend("front", kick=True)
    front.service.stop.hurry()
    front.stop()
    front.until(lambda: client.fin)
    front.advance(20.0)
    assert front.has_stopped


@pytest.mark.parametrize("method", ["frontend", "frontend_ready"])
def test_frontend_that_is_not_there_is_an_error(front: Front, method: str) -> None:
    with pytest.raises(NoSuchPart, match="no frontend other"):
        getattr(front.service.drains, method)("other")


# A server.


def test_drained_server_gets_nobody_and_its_sessions_continue(front: Front) -> None:
    client, server = front.relay()
    assert front.service.drains.server("dovecot", "d1") == 1
    front.client()
    front.advance(1.0)
    with pytest.raises(BlockingIOError):
        front.server.accept()
    server.send(b"* 1 EXISTS\r\n")
    front.until(lambda: client.data.endswith(b"EXISTS\r\n"))
    assert "gets no new sessions" in formatEvent(front.logged("server")[-1])


def test_server_stays_drained_over_a_reload(front: Front) -> None:
    front.service.drains.server("dovecot", "d1")
    front.reload(FILE + "weight = 50\n")
    (server,) = front.service.frontends[0].terms.backend.pool.servers
    assert server.state == "drain"


def test_sessions_of_a_drained_server_are_kicked_spread_over_time(front: Front) -> None:
    clients = [front.relay()[0] for _ in range(10)]
    front.reload(FILE + "weight = 50\n")
    assert front.service.drains.server("dovecot", "d1", kick=True, spread=4.0) == 10
    front.advance(2.0)
    assert 0 < sum(client.fin for client in clients) < 10
    front.advance(10.0)
    assert all(client.fin for client in clients)
    assert {event["reason"] for event in front.logged("session")} == {"server dovecot/d1 is drained"}


def test_server_that_is_not_there_is_an_error(front: Front) -> None:
    with pytest.raises(NoSuchPart, match="no server dovecot/d9"):
        front.service.drains.server("dovecot", "d9")
