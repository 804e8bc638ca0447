"""A worker, with a main process that the test controls."""

from __future__ import annotations

import gc
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.logger import LogEvent, capturedLogs

from mailproxy.bans.bans import BanChange
from mailproxy.bans.request import BanRequest
from mailproxy.config import Backend, Check, Config, Frontend, InetBind, InetServer, Server, ServerTls
from mailproxy.config.client_place import ListFile
from mailproxy.config.condition import Condition
from mailproxy.config.refuse import Refuse
from mailproxy.config.rule import Rule
from mailproxy.control.questions import ShutDown
from mailproxy.control.session_pages import SessionPage, SessionsFrom
from mailproxy.counting.page import Pages
from mailproxy.counting.places import BEAT
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.prepare import prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.networks.network_list import ReadList
from mailproxy.networks.network_set import NetworkSet
from mailproxy.process import message
from mailproxy.process.counts import MainCounts
from mailproxy.process.frame import Reader, frames
from mailproxy.process.server_update import update_of
from mailproxy.process.worker import BEAT_SECONDS, Worker
from mailproxy.session.numbers import SESSIONS
from mailproxy.tls.server_files import ServerFiles, read_client_certificate
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.stock import Stock
from tests.bans.builders import ban, key
from tests.garbage import garbage, only_new_garbage
from tests.running import FakeLog
from tests.session.bench import GREETING, FakeReactor, greet, is_asked
from tests.tls.issue import issue
from tests.transport.peers import Peer
from tests.transport.relay import pump, settle

LOOPBACK = ip_address("127.0.0.1")
BIND = InetBind(LOOPBACK, 0)


class Bench:
    """A worker, and what its main process has: sockets, the pages, its end of the channel."""

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.pages = Pages(2)
        self.counts = MainCounts(self.pages)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.setblocking(False)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.peers: list[Peer] = []
        process_state = ProcessState(self.counts, TlsServers(Stock(2)))
        self.first = prepare(self.settings(), "here", process_state)
        self.counts.assign_places(self.first.settings)
        self.ours, its = socket.socketpair()
        self.ours.setblocking(False)
        self.log = FakeLog()
        self._reader = Reader(is_trusted=False)
        self.worker = Worker(message.Fork(1, 0xABC), its, self.pages, self.first, self.reactor, self.log)
        self.worker.begin()

    def settings(self, **frontend: Any) -> Config:
        where = InetServer(LOOPBACK, self.server.getsockname()[1])
        check = Check(type="tcp", rise=1, fall=1)
        one = Server(name="d1", address=where, check=check, error_limit=1)
        return Config(
            frontends=(Frontend(name="front", bind=(BIND,), protocol="imap", tls="none", backend="b", **frontend),),
            backends={"b": Backend(name="b", send_proxy="none", servers=(one,))},
            workers=2,
        )

    def read(
        self,
        number: int = 1,
        settings: Config | None = None,
        *,
        new: bool = False,
        server_files: ServerFiles | None = None,
    ) -> None:
        """Tell the worker the configuration, which is `new` to it if it had none before."""
        prepared = self.first
        updates = tuple(update_of(key, one) for key, made in prepared.backends.items() for one in made.pool.servers)
        sockets = ((BIND, 0),) if new or number == 1 else ()
        reading = message.Configure(
            number,
            settings or prepared.settings,
            "here",
            {},
            {},
            server_files or ServerFiles(),
            (),
            {},
            self.counts.places.copy(),
            sockets,
            frozenset(),
            updates,
            (),
        )
        self.deliver(reading, [self.listening.fileno()] if sockets else [])

    def deliver(self, what: object, descriptors: Sequence[int] = ()) -> None:
        for data, with_it in frames(what, descriptors):
            socket.send_fds(self.ours, [data], list(with_it))
        self.settle()

    def received(self) -> list[Any]:
        """What the worker has said since the last time."""
        self.settle()
        with suppress(BlockingIOError):
            self._reader.receive(self.ours)
        found = []
        while (taken := self._reader.next()) is not None:
            found.append(taken[0])
        return found

    def settle(self) -> None:
        settle(self.reactor.poller, self.peers)

    def until(self, is_there: Callable[[], object]) -> None:
        pump(self.reactor.poller, self.peers, is_there)

    def client(self) -> Peer:
        self.peers.append(Peer(socket.create_connection(self.listening.getsockname())))
        return self.peers[-1]

    def relay(self) -> Peer:
        """Bring a client to the server's greeting."""
        client = self.client()
        greet(client, self.server, self.peers, self.until)
        return client

    def close(self) -> None:
        self.ours.close()
        for _ in range(200):
            self.reactor.poller.poll(0)
            self.reactor.advance(0.25)
        for peer in self.peers:
            peer.socket.close()
        self.server.close()
        self.listening.close()
        self.reactor.poller.close()
        gc.collect()


@pytest.fixture
def logged() -> Iterator[Sequence[LogEvent]]:
    """What is logged."""
    with capturedLogs() as events:
        yield events


@pytest.fixture
def bench(logged: Sequence[LogEvent]) -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()
    assert [event["log_failure"] for event in logged if "log_failure" in event] == []


def test_banned_client_gets_no_session(bench: Bench) -> None:
    bench.deliver(BanChange((ban("127.0.0.1"),)))
    bench.read()
    client = bench.client()
    bench.until(lambda: client.fin or client.reset)
    bench.deliver(BanChange((), (key("127.0.0.1"),)))
    bench.relay()


def test_worker_asks_for_bans(bench: Bench) -> None:
    bench.read()
    bench.received()
    bench.first.process_state.bans.ban(bytes([192, 0, 2, 7]), 60.0, "rule office")
    assert bench.received() == [BanRequest(bytes([192, 0, 2, 7]), 60.0, "rule office")]


def test_worker_serves_once_it_has_the_configuration(bench: Bench) -> None:
    bench.client()
    bench.settle()
    assert not is_asked(bench.server)
    bench.read()
    assert bench.received() == [message.Ready(1)]
    bench.until(lambda: is_asked(bench.server))


def test_lists_of_networks_are_those_of_the_main_process(bench: Bench) -> None:
    office = ListFile("office.txt")
    rule = Rule(name="office", condition=Condition(source=(office,)), refuse=Refuse("close"))
    settings = bench.settings(rules=(rule,))
    bench.counts.assign_places(settings)
    bench.read(2, settings, new=True)
    bench.relay()
    bench.deliver(message.Listed(ReadList("office.txt", NetworkSet.of([ip_network("127.0.0.0/8")]), (1,))))
    client = bench.client()
    bench.until(lambda: client.fin or client.reset)
    assert client.data == b""


def test_sessions_are_counted_where_all_see_them(bench: Bench) -> None:
    bench.read()
    bench.relay()
    places = bench.counts.places
    page = bench.pages.workers[1]
    counted = [page[places[name]] for name in ("live maxconn", "sessions b imap d1")]
    counted.insert(0, page[places["counter frontend front"] + SESSIONS])
    assert counted == [1, 1, 1]


def test_session_ids_begin_with_the_stamp(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.read()
    bench.relay().break_off()
    bench.settle()
    bench.reactor.advance(1.0)
    (event,) = [event for event in logged if event.get("event") == "session"]
    assert event["id"] == "abc-1"


def test_later_reading_is_taken_up(bench: Bench) -> None:
    bench.read()
    bench.received()
    bench.read(2, bench.settings(maxconn=1))
    assert bench.received() == [message.Ready(2)]
    bench.relay()
    bench.client()
    bench.settle()
    with pytest.raises(BlockingIOError):
        bench.server.accept()


def test_later_readings_leave_nothing_to_the_garbage_collector(bench: Bench) -> None:
    with only_new_garbage():
        bench.read()
        for number, maxconn in enumerate((7, 8, 9), 2):
            bench.relay().break_off()
            bench.settle()
            bench.reactor.advance(1.0)
            bench.read(number, bench.settings(maxconn=maxconn))
        assert garbage() == []


def test_worker_that_begins_later_has_the_later_reading(bench: Bench) -> None:
    bench.read(7, bench.settings(maxconn=1), new=True)
    assert bench.received() == [message.Ready(7)]
    bench.relay()
    bench.client()
    bench.settle()
    with pytest.raises(BlockingIOError):
        bench.server.accept()


def test_reading_that_cannot_be_taken_up_leaves_the_one_before(bench: Bench, logged: Any) -> None:
    bench.read()
    bench.received()
    bad = evolve(bench.settings(), backends={})
    bench.read(2, bad)
    (unready,) = bench.received()
    assert isinstance(unready, message.Unready)
    assert unready.number == 2
    bench.relay()
    failures = [event for event in logged if "log_failure" in event]
    assert len(failures) == 1
    del failures[0]["log_failure"]


def test_server_that_is_down_gets_nobody(bench: Bench) -> None:
    bench.read()
    key = ("b", "imap")
    update = update_of(key, bench.first.backends[key].pool.servers[0])
    bench.deliver(evolve(update, is_up=False, reason="gone"))
    client = bench.client()
    bench.until(lambda: client.fin)
    assert b"UNAVAILABLE" in client.data
    bench.deliver(update)
    bench.relay()


def test_server_that_is_not_reached_is_reported(bench: Bench) -> None:
    bench.read()
    bench.received()
    bench.server.close()
    bench.client()
    (missed,) = bench.received()
    assert (missed.backend, missed.protocol, missed.server, missed.source) == ("b", "imap", "d1", None)


def test_server_that_is_reached_again_is_reported_once(bench: Bench) -> None:
    bench.read()
    key = ("b", "imap")
    update = update_of(key, bench.first.backends[key].pool.servers[0])
    bench.deliver(evolve(update, has_errors=True))
    bench.received()
    bench.relay()
    bench.relay()
    assert bench.received() == [message.Reached("b", "imap", "d1")]


def test_worker_shows_that_it_lives(bench: Bench) -> None:
    first = bench.pages.workers[1][BEAT]
    bench.reactor.advance(BEAT_SECONDS)
    assert bench.pages.workers[1][BEAT] == first + 1


def test_stop_is_polite_and_ends_the_worker(bench: Bench) -> None:
    bench.read()
    client = bench.relay()
    bench.deliver(message.Stop(StopTimes(hard=5.0)))
    assert not bench.reactor.stops
    for _ in range(30):
        bench.reactor.poller.poll(0)
        bench.reactor.advance(0.1)
    bench.until(lambda: client.data.startswith(GREETING + b"* BYE "))
    client.break_off()
    bench.settle()
    bench.reactor.advance(1.0)
    assert bench.reactor.stops


def test_stop_can_be_hurried(bench: Bench) -> None:
    bench.read()
    client = bench.relay()
    bench.deliver(message.Stop(StopTimes(timeout=1000.0)))
    bench.deliver(message.StopNow())
    bench.reactor.advance(0.5)
    bench.until(lambda: client.fin or client.reset)
    assert bench.reactor.stops


def test_stop_before_there_is_a_configuration_ends_the_worker(bench: Bench) -> None:
    bench.deliver(message.Stop(StopTimes()))
    assert bench.reactor.stops


def test_end_of_the_main_process_is_a_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda number, action: None)
    bench.read()
    bench.ours.close()
    bench.settle()
    bench.reactor.advance(1.0)
    assert bench.reactor.stops


def test_end_of_the_main_process_shortens_a_stop_under_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda number, action: None)
    bench.read()
    client = bench.relay()
    bench.deliver(message.Stop(StopTimes(timeout=1000.0)))
    assert not bench.reactor.stops
    bench.ours.close()
    bench.settle()
    bench.reactor.advance(0.5)
    bench.until(lambda: client.fin or client.reset)
    assert bench.reactor.stops


def test_sessions_are_shown_and_ended_on_demand(bench: Bench) -> None:
    bench.read()
    client = bench.relay()
    bench.received()
    bench.deliver(message.Ask(5, SessionsFrom({}, -1)))
    (answer,) = bench.received()
    assert isinstance(answer.value, SessionPage)
    (session,) = answer.value.sessions
    bench.deliver(message.Ask(6, ShutDown(session.id)))
    assert bench.received() == [message.Answer(6, value=True)]
    bench.until(lambda: client.fin)


def test_frontend_that_is_drained_accepts_nobody_until_it_is_enabled(bench: Bench) -> None:
    bench.read()
    bench.relay()
    bench.received()
    bench.deliver(message.Ask(5, message.DrainFrontend("front", kick=False, spread=None)))
    assert bench.received() == [message.Answer(5, 1)]
    bench.client()
    bench.settle()
    with pytest.raises(BlockingIOError):
        bench.server.accept()
    bench.deliver(message.EnableFrontend("front", ()))
    bench.until(lambda: is_asked(bench.server))


def test_files_for_tls_to_servers_come_from_the_main_process(bench: Bench, tmp_path: Path) -> None:
    bench.read()
    bench.received()
    ca, ours = str(tmp_path / "ca.pem"), str(tmp_path / "ours.pem")
    (tmp_path / "ours.pem").write_bytes(issue("front").pem)
    files = ServerFiles({ca: (issue(authority=True).certificate,)}, {ours: read_client_certificate(ours)})
    (tmp_path / "ours.pem").unlink()
    settings = bench.settings()
    (server,) = settings.backends["b"].servers
    tls = ServerTls(ca=ca, certificate=ours, verify_name="mail.example.org")
    backend = evolve(settings.backends["b"], servers=(evolve(server, tls=tls),))
    bench.read(2, evolve(settings, backends={"b": backend}), server_files=files)
    assert bench.received() == [message.Ready(2)]


def test_question_about_nothing_has_no_answer(bench: Bench) -> None:
    bench.read()
    bench.received()
    bench.deliver(message.Ask(5, message.DrainFrontend("no", kick=False, spread=None)))
    assert bench.received() == [message.Answer(5, None, "there is no frontend no")]


def test_events_are_reported_while_somebody_watches(bench: Bench) -> None:
    bench.read()
    bench.received()
    bench.deliver(message.Watch(is_on=True, sessions=True))
    bench.deliver(message.Watch(is_on=True, sessions=True))
    bench.relay().break_off()
    bench.settle()
    bench.reactor.advance(1.0)
    events = [taken for taken in bench.received() if isinstance(taken, message.Event)]
    assert [(event.level, event.fields["event"], event.fields["id"]) for event in events] == [
        ("info", "session-begin", "abc-1"),
        ("info", "session", "abc-1"),
    ]
    bench.deliver(message.Watch(is_on=False, sessions=False))
    bench.relay().break_off()
    bench.settle()
    bench.reactor.advance(1.0)
    assert bench.received() == []


def test_sessions_are_not_reported_to_those_who_watch_the_service(bench: Bench) -> None:
    bench.read()
    bench.received()
    bench.deliver(message.Watch(is_on=True, sessions=False))
    bench.relay().break_off()
    bench.settle()
    bench.reactor.advance(1.0)
    assert [taken for taken in bench.received() if isinstance(taken, message.Event)] == []


def test_log_files_are_opened_again(bench: Bench) -> None:
    bench.read()
    bench.deliver(message.Reopen())
    assert bench.log.reopened == 1


def test_socket_continues_without_a_worker_that_stops(bench: Bench) -> None:
    bench.read()
    bench.deliver(message.Stop(StopTimes()))
    socket.create_connection(bench.listening.getsockname()).close()


def test_reactor_is_imported_before_the_fork_and_made_after_it() -> None:
    script = "import sys, mailproxy.process.start; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "twisted.internet.epollreactor" in modules
    assert "twisted.internet.reactor" not in modules
