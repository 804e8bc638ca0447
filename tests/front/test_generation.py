"""One reading of the configuration after another: what stays, what goes, and when."""

from __future__ import annotations

import gc
import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from attrs import evolve
from twisted.logger import capturedLogs

from mailproxy.config import (
    Backend,
    Check,
    Config,
    ConfigError,
    Frontend,
    FrontendTimeouts,
    InetBind,
    InetServer,
    Server,
    TlsProfile,
)
from mailproxy.front.files import read_files
from mailproxy.front.generation import Generation
from mailproxy.front.loop import Loop
from mailproxy.front.prepare import arrange, prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.front.role import ALONE, MAIN, WORKER, Role
from mailproxy.session.numbers import SESSIONS
from mailproxy.session.session import Session
from tests.garbage import garbage, only_new_garbage
from tests.session.bench import FakeReactor, greet
from tests.tls.issue import issue
from tests.tls.servers import NAME
from tests.transport.peers import Peer, TlsPeer, client_context
from tests.transport.relay import pump, settle

LOOPBACK = ip_address("127.0.0.1")


class Process:
    """A process with a listening server; a test reads its configuration again and again."""

    def __init__(self, folder: Path) -> None:
        self.reactor = FakeReactor()
        self.loop = Loop(self.reactor)
        self.process_state = ProcessState()
        self.peers: list[Peer] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.certificate = folder / "mail.pem"
        self.renew()
        self.now: Generation | None = None

    def renew(self) -> None:
        """Write another certificate."""
        self.certificate.write_bytes(issue(NAME).pem)
        self.certificate.chmod(0o600)

    def settings(self, *, frontend: dict[str, Any] | None = None, server: dict[str, Any] | None = None) -> Config:
        front: dict[str, Any] = {"name": "front", "bind": (InetBind(LOOPBACK, 0),), "protocol": "imap", "tls": "none"}
        one: dict[str, Any] = {"name": "d1", "address": InetServer(LOOPBACK, self.server.getsockname()[1])}
        return Config(
            tls={"default": TlsProfile(name="default", certificates=(str(self.certificate),))},
            frontends=(Frontend(**front | {"backend": "dovecot"} | (frontend or {})),),
            backends={"dovecot": Backend(name="dovecot", send_proxy="none", servers=(Server(**one | (server or {})),))},
            maxconn=100,
        )

    def read(self, settings: Config | None = None, role: Role = ALONE) -> Generation:
        """Read a configuration, and begin with it."""
        prepared = prepare(settings or self.settings(), "here", self.process_state)
        prepared.bind()
        made = Generation(prepared, self.loop, role)
        prepared.adopt()
        made.start(self.now)
        self.now = made
        return made

    @property
    def listening(self) -> list[socket.socket]:
        assert self.now is not None
        by_frontend = self.process_state.sockets.by_frontend(self.now.settings.frontends)
        return [bound.socket for sockets in by_frontend.values() for bound in sockets]

    def client(self) -> Peer:
        sock = socket.create_connection(self.listening[0].getsockname())
        self.peers.append(Peer(sock))
        return self.peers[-1]

    def relay(self) -> tuple[Peer, Peer, Session]:
        """Bring a client to the server's greeting."""
        before = set(self.sessions)
        client = self.client()
        server = greet(client, self.server, self.peers, self.until)
        (session,) = set(self.sessions) - before
        return client, server, session

    @property
    def sessions(self) -> Iterator[Session]:
        assert self.now is not None
        return self.now.sessions

    def until(self, is_there: Any) -> None:
        pump(self.reactor.poller, self.peers, is_there)

    def settle(self) -> None:
        settle(self.reactor.poller, self.peers)

    def close(self) -> None:
        if self.now is not None:
            self.now.retire()
            for session in list(self.sessions):
                session.abort()
        self.process_state.sockets.close()
        for peer in self.peers:
            peer.socket.close()
        self.server.close()
        self.reactor.poller.close()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with capturedLogs() as events:
        made = Process(tmp_path)
        yield made
        made.close()
    assert [event["log_failure"] for event in events if "log_failure" in event] == []


# What stays.


def test_socket_continues(process: Process) -> None:
    process.read()
    (before,) = process.listening
    process.read()
    (after,) = process.listening
    assert after is before
    process.relay()


def test_client_that_nobody_has_accepted_yet_is_the_next_one_s(process: Process) -> None:
    process.read()
    client = process.client()
    later = process.read()
    process.settle()
    assert not client.fin
    assert len(later.frontends[0].sessions) == 1


def test_client_in_the_queue_of_a_socket_that_goes_is_served_before(process: Process) -> None:
    previous = process.read()
    client = process.client()
    process.read(process.settings(frontend={"bind": (InetBind(ip_address("127.0.0.2"), 0),)}))
    process.settle()
    assert not client.fin
    assert not client.reset
    assert len(previous.frontends[0].sessions) == 1


def test_socket_that_is_not_wanted_any_more_closes(process: Process) -> None:
    process.read()
    address = process.listening[0].getsockname()
    process.read(process.settings(frontend={"bind": (InetBind(ip_address("127.0.0.2"), 0),)}))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    process.relay()


def test_server_that_is_down_stays_down(process: Process) -> None:
    checked = {"check": Check(type="tcp", fall=1)}
    previous = process.read(process.settings(server=checked))
    pool = previous.backends["dovecot", "imap"].pool
    pool.failed(pool.servers[0], 1.0, "gone")
    for changed in (checked, checked | {"weight": 7}):
        later = process.read(process.settings(server=changed))
        (server,) = later.backends["dovecot", "imap"].pool.servers
        assert not server.is_up


def test_state_by_hand_is_that_of_a_server_in_a_protocol_that_comes_later(process: Process) -> None:
    previous = process.read()
    (server,) = previous.backends["dovecot", "imap"].pool.servers
    process.process_state.overrides.set_state("dovecot", server, "maint")
    for protocol in ("pop3", "pop3"):
        later = process.read(process.settings(frontend={"protocol": protocol}))
        (server,) = later.backends["dovecot", protocol].pool.servers
        assert server.state == "maint"
    later = process.read(process.settings(frontend={"protocol": "imap"}, server={"name": "d2"}))
    later = process.read()
    (server,) = later.backends["dovecot", "imap"].pool.servers
    assert server.state == "ready"


def test_server_that_goes_down_while_files_are_read_stays_down(process: Process) -> None:
    settings = process.settings(server={"check": Check(type="tcp", fall=1)})
    previous = process.read(settings)
    changed = process.settings(server={"check": Check(type="tcp", fall=1), "weight": 7})
    files = read_files(changed, "here", process.process_state.tls, process.process_state.certificates)
    pool = previous.backends["dovecot", "imap"].pool
    pool.failed(pool.servers[0], 1.0, "gone")
    prepared = arrange(changed, "here", files, process.process_state)
    (server,) = prepared.backends["dovecot", "imap"].pool.servers
    assert not server.is_up


def test_counters_continue(process: Process) -> None:
    process.read()
    process.relay()
    process.read()
    process.relay()
    assert process.process_state.block("front").sums()[SESSIONS] == 2


def test_bounds_count_the_sessions_of_both(process: Process) -> None:
    few = process.settings(frontend={"maxconn": 2})
    process.read(few)
    first, _, _ = process.relay()
    process.relay()
    later = process.read(few)
    process.client()
    process.settle()
    assert not later.frontends[0].sessions
    first.break_off()
    process.until(lambda: later.frontends[0].sessions)


def test_bound_that_grows_lets_waiting_clients_in(process: Process) -> None:
    process.read(process.settings(frontend={"maxconn": 1}))
    process.relay()
    process.client()
    process.settle()
    later = process.read(process.settings(frontend={"maxconn": 2}))
    process.until(lambda: later.frontends[0].sessions)


@pytest.mark.parametrize("is_renewed", [False, True])
def test_tls_session_is_resumed(process: Process, is_renewed: bool) -> None:
    context = client_context()

    def connect(session: ssl.SSLSession | None = None) -> TlsPeer:
        sock = socket.create_connection(process.listening[0].getsockname())
        client = TlsPeer(sock, context, NAME, session)
        process.peers.append(client)
        process.until(lambda: client.secured)
        process.settle()
        return client

    process.read(process.settings(frontend={"tls": "implicit"}))
    first = connect()
    if is_renewed:
        process.renew()
    process.read(process.settings(frontend={"tls": "implicit", "maxconn": 77}))
    assert connect(first.tls.session).tls.session_reused


def test_configuration_that_cannot_be_changes_nothing(process: Process) -> None:
    previous = process.read(process.settings(frontend={"tls": "implicit"}))
    before = process.process_state.tls, process.process_state.servers, process.process_state.total.maximum
    bad = process.settings(frontend={"tls": "implicit"})
    profile = evolve(bad.tls["default"], ciphers="no such cipher")
    with pytest.raises(ConfigError):
        prepare(evolve(bad, tls={"default": profile}, maxconn=7), "here", process.process_state)
    assert (process.process_state.tls, process.process_state.servers, process.process_state.total.maximum) == before
    assert not previous.is_over
    assert process.listening[0].fileno() >= 0


@pytest.mark.parametrize(("tls", "announced"), [("starttls", (b"IDLE",)), ("none", None)])
def test_what_was_learned_is_announced_until_more_is_known(
    process: Process, tls: str, announced: tuple[bytes, ...] | None
) -> None:
    previous = process.read(process.settings(frontend={"tls": tls}))
    if previous.frontends[0].learns:
        previous.frontends[0].learn((b"IDLE",))
    later = process.read(process.settings(frontend={"tls": "starttls"}))
    dialogue = later.frontends[0].terms.dialogue
    assert dialogue is not None
    assert dialogue.capabilities == announced


def test_host_names_are_followed_by_the_same_as_long_as_the_resolvers_stay(process: Process) -> None:
    names = process.loop.names(process.settings().resolvers)
    process.read()
    process.read()
    assert process.loop.names(process.settings().resolvers) is names
    other = evolve(process.settings().resolvers, retries=7)
    process.read(evolve(process.settings(), resolvers=other))
    assert process.loop.names(other) is not names


# What sessions keep.


def test_session_keeps_its_terms_and_its_backend(process: Process) -> None:
    previous = process.read()
    client, server, session = process.relay()
    backend = previous.backends["dovecot", "imap"]
    process.read(process.settings(frontend={"timeout": FrontendTimeouts(client=1.0, server=1.0)}))
    assert session.terms.timeout == FrontendTimeouts()
    assert session.backend is backend
    process.reactor.advance(5.0)
    server.send(b"* 1 EXISTS\r\n")
    process.until(lambda: client.data.endswith(b"EXISTS\r\n"))


def test_sessions_of_a_server_that_goes_down_end_whichever_reading_they_are_of(process: Process) -> None:
    severe = {"check": Check(type="tcp", fall=1), "on_marked_down": "shutdown-sessions"}
    process.read(process.settings(server=severe))
    client, _, _ = process.relay()
    later = process.read(process.settings(server=severe))
    pool = later.backends["dovecot", "imap"].pool
    pool.failed(pool.servers[0], 1.0, "gone")
    process.until(lambda: client.fin)


def test_place_on_a_server_comes_free_for_the_next_reading(process: Process) -> None:
    process.read(process.settings(server={"maxconn": 1}))
    first, _, _ = process.relay()
    process.read(process.settings(server={"maxconn": 1}))
    process.client()
    process.settle()
    with pytest.raises(BlockingIOError):
        process.server.accept()
    first.break_off()
    process.settle()
    process.server.accept()[0].close()


@pytest.mark.parametrize("change", [{"weight": 7}, {"slowstart": 5.0}])
def test_sessions_of_a_server_that_has_changed_are_its_sessions(process: Process, change: dict[str, Any]) -> None:
    process.read()
    first, _, _ = process.relay()
    process.read(process.settings(server=change))
    second, _, _ = process.relay()
    later = process.read(process.settings(server=change | {"maxconn": 2}))
    (server,) = later.backends["dovecot", "imap"].pool.servers
    assert server.sessions == 2
    process.client()
    process.settle()
    with pytest.raises(BlockingIOError):
        process.server.accept()
    first.break_off()
    process.until(lambda: len(list(process.sessions)) == 2)
    assert server.sessions == 2
    second.break_off()
    process.until(lambda: server.sessions == 1)
    process.server.accept()[0].close()


def test_server_that_is_removed_and_added_often_keeps_its_sessions(process: Process) -> None:
    process.read(process.settings())
    client, _, _ = process.relay()
    for _ in range(3):
        process.read(process.settings(server={"name": "other"}))
        later = process.read(process.settings())
        (server,) = later.backends["dovecot", "imap"].pool.servers
        assert server.sessions == 1
    client.break_off()
    process.until(lambda: server.sessions == 0)


def test_server_that_has_changed_and_goes_down_ends_sessions_of_before(process: Process) -> None:
    severe = {"check": Check(type="tcp", fall=1), "on_marked_down": "shutdown-sessions"}
    process.read(process.settings(server=severe))
    client, _, _ = process.relay()
    later = process.read(process.settings(server=severe | {"weight": 7}))
    pool = later.backends["dovecot", "imap"].pool
    pool.failed(pool.servers[0], 1.0, "gone")
    process.until(lambda: client.fin)


def test_sessions_count_for_the_name_of_a_server_with_another_address(process: Process) -> None:
    severe = {"check": Check(type="tcp", fall=1), "on_marked_down": "shutdown-sessions"}
    process.read(process.settings(server=severe))
    client, _, _ = process.relay()
    for port in (1, 2):
        later = process.read(process.settings(server=severe | {"address": InetServer(LOOPBACK, port)}))
    pool = later.backends["dovecot", "imap"].pool
    (server,) = pool.servers
    assert server.sessions == 1
    pool.failed(server, 1.0, "gone")
    process.settle()
    assert not client.fin  # the address that is down is not the one of this session
    client.break_off()
    process.until(lambda: server.sessions == 0)


def test_slow_start_continues(process: Process) -> None:
    slow = {"check": Check(type="tcp", fall=1, rise=1), "slowstart": 100.0}
    previous = process.read(process.settings(server=slow))
    pool = previous.backends["dovecot", "imap"].pool
    now = process.reactor.seconds()
    pool.failed(pool.servers[0], now, "gone")
    pool.passed(pool.servers[0], now, "back")
    process.reactor.advance(50.0)
    for settings in (slow, slow | {"weight": 200}):
        later = process.read(process.settings(server=settings))
        (server,) = later.backends["dovecot", "imap"].pool.servers
        assert server.share == pytest.approx(server.weight / 2)


# What goes.


def test_generation_is_over_with_its_last_session(process: Process) -> None:
    previous = process.read()
    first, _, _ = process.relay()
    second, _, _ = process.relay()
    process.read()
    first.break_off()
    process.settle()
    assert not previous.is_over
    second.break_off()
    process.settle()
    assert previous.is_over


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_nothing_is_left_of_one_that_is_over(process: Process, tls: str) -> None:
    checked = {"check": Check(type="tcp")}
    with only_new_garbage():
        previous = process.read(process.settings(frontend={"tls": tls}, server=checked))
        gone: list[ref[Any]] = [ref(previous), ref(previous.frontends[0]), ref(previous.backends["dovecot", "imap"])]
        client = process.client()
        process.settle()
        process.renew()
        process.read(process.settings(frontend={"tls": tls}, server=checked | {"weight": 7}))
        del previous
        assert all(one() is not None for one in gone)
        client.break_off()
        process.settle()
        process.reactor.advance(1.0)
        assert [one() for one in gone] == [None, None, None]
        assert garbage() == []


def test_many_readings_with_a_session_each_leave_no_garbage(process: Process) -> None:
    with only_new_garbage():
        clients = []
        for number in range(4):
            process.read(process.settings(frontend={"maxconn": 10 + number}))
            clients.append(process.relay()[0])
        assert len(list(process.sessions)) == 4
        for client in clients:
            client.break_off()
        process.settle()
        process.reactor.advance(1.0)
        assert list(process.sessions) == []
        assert garbage() == []


def test_generation_goes_although_a_later_one_has_sessions(process: Process) -> None:
    first = ref(process.read())
    client, _, _ = process.relay()
    process.read()
    process.relay()
    process.read()
    gc.disable()
    try:
        client.break_off()
        process.settle()
        process.reactor.advance(1.0)
        assert first() is None
    finally:
        gc.enable()


# What a process does not do, because another one does.


def test_main_process_runs_checks_and_accepts_no_clients(process: Process) -> None:
    made = process.read(process.settings(server={"check": Check(type="tcp")}), MAIN)
    process.reactor.advance(5.0)
    process.server.accept()[0].close()
    process.client()
    process.settle()
    assert not made.frontends[0].sessions


def test_worker_accepts_and_runs_no_checks(process: Process) -> None:
    process.read(process.settings(server={"check": Check(type="tcp")}), WORKER)
    process.reactor.advance(5.0)
    with pytest.raises(BlockingIOError):
        process.server.accept()
    process.relay()


def test_what_is_learned_can_be_passed_on(process: Process) -> None:
    made = process.read(process.settings(frontend={"tls": "starttls"}), MAIN)
    received: list[tuple[str, tuple[bytes, ...]]] = []
    made.learned = lambda *learned: received.append(learned)
    made.learn("front", (b"IDLE",))
    assert received == [("front", (b"IDLE",))]
