"""The main process, with a forker and workers that the test controls."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import evolve
from twisted.logger import LogEvent, capturedLogs
from twisted.python.failure import Failure

from mailproxy.bans.bans import BanChange
from mailproxy.bans.request import BanRequest
from mailproxy.config import Backend, Check, Config, Frontend, InetBind, InetServer, Server, TlsProfile
from mailproxy.control.questions import ShutDown
from mailproxy.counting.page import Pages
from mailproxy.front.files import read_files
from mailproxy.front.prepare import prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.front.reading import ReadConfiguration
from mailproxy.front.reload_queue import HalfReloaded
from mailproxy.front.ticket_keys import CHANGE_SECONDS
from mailproxy.networks.network_list import ReadList
from mailproxy.networks.network_set import NetworkSet
from mailproxy.process import message
from mailproxy.process.counts import MainCounts
from mailproxy.process.main import MainService
from mailproxy.process.open_questions import ANSWER_SECONDS
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.stock import Stock
from mailproxy.transport.newcomers import HANDSHAKE_SECONDS
from tests.bans.builders import key
from tests.garbage import garbage, only_new_garbage
from tests.process.forker import FakeForker, Played
from tests.session.bench import FakeReactor
from tests.tls.issue import issue
from tests.tls.servers import NAME

LOOPBACK = ip_address("127.0.0.1")


class StoppingReactor(FakeReactor):
    """A reactor that threads may call."""

    def callFromThread(self, call: Any, *arguments: Any) -> None:
        self.callLater(0, call, *arguments)


class Bench:
    """A main process with two workers."""

    def __init__(self, folder: Path) -> None:
        self._certificate = folder / "mail.pem"
        self._certificate.write_bytes(issue(NAME).pem)
        self._certificate.chmod(0o600)
        self.reactor = StoppingReactor()
        self.forker = FakeForker(self.reactor)
        self.pages = Pages(2)
        self.counts = MainCounts(self.pages)
        process_state = ProcessState(self.counts, TlsServers(Stock(4)))
        prepared = prepare(self.settings(), "here", process_state)
        prepared.bind()
        self.service = MainService(prepared, self.reactor, (self.forker.ours, 0))
        self.service.startService()
        self.forker.work()
        self.be_ready(1)

    def settings(self, **frontend: Any) -> Config:
        check = Check(type="tcp", rise=1, fall=1, inter=1000.0)
        one = Server(name="d1", address=InetServer(LOOPBACK, 1), check=check, error_limit=2)
        bind = (InetBind(LOOPBACK, 0),)
        front = {"name": "front", "bind": bind, "protocol": "imap", "tls": "implicit", "backend": "b"}
        return Config(
            frontends=(Frontend(**front | frontend),),
            backends={"b": Backend(name="b", servers=(one,))},
            tls={"default": TlsProfile(name="default", certificates=(str(self._certificate),))},
            workers=2,
        )

    @property
    def workers(self) -> list[Played]:
        return self.forker.workers

    def deliver(self, worker: Played, what: object) -> None:
        worker.deliver(what)
        self.reactor.poller.poll(0)

    def be_ready(self, number: int) -> None:
        for worker in self.workers[-2:]:
            self.deliver(worker, message.Ready(number))

    def received(self, worker: int = 0) -> list[tuple[Any, list[int]]]:
        """What a worker was told since the last time."""
        self.reactor.poller.poll(0)
        return self.workers[worker].received()

    def messages(self, worker: int = 0) -> list[Any]:
        return [what for what, _ in self.received(worker)]

    def reload(self, settings: Config) -> list[Any]:
        """Read a configuration; return what came of it."""
        process_state = self.service.process_state
        files = read_files(settings, "here", process_state.tls, process_state.certificates)
        done: list[Any] = []
        self.service.reloading.take_up(ReadConfiguration(settings, "here", files, (), {})).addBoth(done.append)
        return done

    def close(self) -> None:
        stopped = self.service.stopService()
        for worker in list(self.workers):
            if worker.process.poll() is None:
                self.forker.ends(worker, 0)
        assert stopped.called
        self.forker.close()
        self.reactor.poller.close()


@pytest.fixture
def logged() -> Iterator[Sequence[LogEvent]]:
    """What is logged."""
    with capturedLogs() as events:
        yield events


@pytest.fixture
def bench(tmp_path: Path, logged: Sequence[LogEvent]) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()
    assert [event["log_failure"] for event in logged if "log_failure" in event] == []


def kinds(logged: Sequence[LogEvent]) -> list[str]:
    return [event["event"] for event in logged if "event" in event]


def test_workers_get_all_that_there_is_to_know(bench: Bench) -> None:
    ((reading, descriptors),) = bench.received()
    assert isinstance(reading, message.Configure)
    assert reading.number == 1
    assert reading.tickets == {("default", ("imap",)): 0}
    assert [certificate.names for certificate in reading.certificates["default"]] == [(NAME,)]
    assert [(update.server, update.is_up) for update in reading.updates] == [("d1", True)]
    with socket.socket(fileno=descriptors[0]) as listening:
        assert listening.getsockname() == bench.service.listening[0].getsockname()


def test_bans_go_to_workers_that_run_and_to_those_that_begin(bench: Bench) -> None:
    bench.received()
    made = bench.service.bans.ban(key("192.0.2.7"), "ctl", "spam", None)
    assert bench.messages() == [BanChange((made,))]
    assert list(bench.service.first()) == [BanChange((made,))]
    bench.service.bans.bans.unban(key("192.0.2.7"))
    assert bench.messages() == [BanChange((), (key("192.0.2.7"),))]
    assert list(bench.service.first()) == []


def test_worker_may_ask_for_a_ban(bench: Bench) -> None:
    bench.received(1)
    bench.deliver(bench.workers[0], BanRequest(bytes([192, 0, 2, 7]), 60.0, "rule office"))
    (change,) = bench.messages(1)
    assert [(one.place, one.origin) for one in change.banned] == [("192.0.2.7", "rule")]


def test_service_is_ready_when_all_workers_are(bench: Bench, logged: Sequence[LogEvent]) -> None:
    assert kinds(logged).count("ready") == 1
    assert kinds(logged).index("ready") > kinds(logged).index("worker")


def test_server_that_changes_is_reported_to_all(bench: Bench) -> None:
    bench.received()
    bench.received(1)
    pool = bench.service.generation.backends["b", "imap"].pool
    pool.set_weight(pool.servers[0], 7, 1.0)
    assert [update.weight for update in (*bench.messages(), *bench.messages(1))] == [7, 7]


def test_errors_of_all_workers_add_up(bench: Bench) -> None:
    pool = bench.service.generation.backends["b", "imap"].pool
    bench.received()
    bench.deliver(bench.workers[0], message.Missed("b", "imap", "d1", "refused", None))
    assert [update.has_errors for update in bench.messages()] == [True]
    bench.deliver(bench.workers[1], message.Missed("b", "imap", "d1", "refused", None))
    assert not pool.servers[0].is_up
    assert [(update.is_up, update.has_errors) for update in bench.messages()][-1] == (False, False)


def test_success_of_one_worker_makes_up_for_errors_of_others(bench: Bench) -> None:
    pool = bench.service.generation.backends["b", "imap"].pool
    bench.deliver(bench.workers[0], message.Missed("b", "imap", "d1", "refused", None))
    bench.deliver(bench.workers[1], message.Reached("b", "imap", "d1"))
    bench.deliver(bench.workers[0], message.Missed("b", "imap", "d1", "refused", None))
    assert pool.servers[0].is_up


def test_report_of_an_unknown_server_is_ignored(bench: Bench) -> None:
    bench.deliver(bench.workers[0], message.Missed("b", "imap", "d9", "refused", None))
    bench.deliver(bench.workers[0], message.Missed("x", "imap", "d1", "refused", None))


def test_reload_is_over_when_all_workers_have_it(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.received()
    done = bench.reload(bench.settings(maxconn=7))
    ((reading, descriptors),) = bench.received()
    assert (reading.number, reading.settings.frontends[0].maxconn, reading.sockets, descriptors) == (2, 7, (), [])
    assert (done, "reloaded" in kinds(logged)) == ([], False)
    bench.be_ready(2)
    assert not isinstance(done[0], Failure)
    assert "reloaded" in kinds(logged)


def test_reload_fails_when_a_worker_cannot_take_it_up(bench: Bench, logged: Sequence[LogEvent]) -> None:
    done = bench.reload(bench.settings(maxconn=7))
    bench.deliver(bench.workers[0], message.Unready(2, "no memory"))
    bench.deliver(bench.workers[1], message.Ready(2))
    assert isinstance(done[0].value, HalfReloaded)
    assert str(done[0].value) == "worker 0 keeps the previous configuration: no memory"
    assert "reloaded" not in kinds(logged)


def test_worker_that_begins_later_gets_the_latest(bench: Bench) -> None:
    bench.reload(bench.settings(maxconn=7))
    bench.be_ready(2)
    bench.forker.ends(bench.workers[0])
    bench.forker.work()
    ((reading, descriptors),) = bench.received(2)
    assert (reading.number, reading.settings.frontends[0].maxconn, len(descriptors)) == (2, 7, 1)
    bench.be_ready(2)


def test_reload_leaves_nothing_to_the_garbage_collector(bench: Bench) -> None:
    with only_new_garbage():
        for number, maxconn in enumerate((7, 8, 9), 2):
            bench.reload(bench.settings(maxconn=maxconn))
            bench.be_ready(number)
        assert garbage() == []


def test_renewed_certificates_are_reported_and_known_later(bench: Bench) -> None:
    bench.received()
    before = bench.service.process_state.certificates.in_use
    bench.service.renewals.announce(before)
    assert bench.messages() == [message.Renewed(before)]
    bench.forker.ends(bench.workers[0])
    bench.forker.work()
    assert bench.messages(2)[0].number == 2


def test_changed_lists_are_reported_and_known_later(bench: Bench) -> None:
    bench.received()
    read = ReadList("office.txt", NetworkSet(), (1,))
    bench.service.process_state.lists.take(read)
    bench.service.network_lists.announce(read)
    assert bench.messages() == [message.Listed(read)]
    bench.forker.ends(bench.workers[0])
    bench.forker.work()
    reading = bench.messages(2)[0]
    assert (reading.number, reading.lists) == (2, (read,))


def test_ticket_keys_change_everywhere_once_a_day(bench: Bench) -> None:
    bench.received()
    bench.reactor.advance(CHANGE_SECONDS)
    messages = [what for what in bench.messages() if isinstance(what, message.Tickets)]
    assert messages == [message.Tickets({("default", ("imap",)): 1})]


def test_reloads_that_use_up_the_ticket_keys_are_reported(bench: Bench, logged: Sequence[LogEvent]) -> None:
    settings = bench.settings()
    versions: tuple[Literal["1.2", "1.3"], ...] = ("1.3", "1.2", "1.3", "1.2")
    for number, version in enumerate(versions, 2):
        assert "ticket-keys" not in kinds(logged)
        bench.reload(evolve(settings, tls={"default": evolve(settings.tls["default"], min_version=version)}))
        bench.be_ready(number)
    assert kinds(logged).count("ticket-keys") == 1


def test_what_is_learned_is_reported(bench: Bench) -> None:
    bench.received()
    bench.service.generation.learned("front", (b"IDLE",))
    assert bench.messages() == [message.Learned("front", (b"IDLE",))]


def drain(bench: Bench) -> list[int]:
    """Begin to drain the frontend, until handshakes are done; return the list that gets the number of sessions."""
    left: list[int] = []
    bench.service.drains.frontend("front").addCallback(left.append)
    bench.reactor.advance(HANDSHAKE_SECONDS)
    return left


def answer(bench: Bench) -> None:
    for number in range(2):
        for asked in bench.messages(number):
            if isinstance(asked, message.Ask):
                bench.deliver(bench.workers[number], message.Answer(asked.number, 0))


def test_frontend_is_drained_when_no_worker_accepts_any_more(bench: Bench) -> None:
    bench.received()
    bench.received(1)
    left = drain(bench)
    for number in range(2):
        (asked,) = bench.messages(number)
        assert asked.question == message.DrainFrontend("front", kick=False, spread=None)
        assert "front" not in bench.service.process_state.sockets.suspended
        assert left == []
        bench.deliver(bench.workers[number], message.Answer(asked.number, 0))
    assert "front" in bench.service.process_state.sockets.suspended
    assert left == [0]
    bench.service.drains.frontend_ready("front")
    assert bench.messages() == [message.EnableFrontend("front", ())]


def test_workers_accept_while_handshakes_are_under_way(bench: Bench) -> None:
    bench.received()
    bench.service.drains.frontend("front")
    bench.reactor.advance(HANDSHAKE_SECONDS / 2)
    assert bench.messages() == []
    reading, _ = bench.service.reading(set())
    assert reading.suspended == frozenset()


def test_worker_that_begins_while_the_others_stop_accepting_does_not_accept(bench: Bench) -> None:
    drain(bench)
    bench.forker.ends(bench.workers[0])
    bench.forker.work()
    ((reading, _),) = bench.received(2)
    assert reading.suspended == {"front"}


def test_frontend_is_drained_although_a_worker_does_not_answer(bench: Bench) -> None:
    left = drain(bench)
    bench.reactor.advance(ANSWER_SECONDS)
    assert left == [0]
    assert "front" in bench.service.process_state.sockets.suspended


def test_frontend_that_is_wanted_back_meanwhile_is_enabled_after_all(bench: Bench) -> None:
    bench.received()
    drain(bench)
    bench.service.drains.frontend_ready("front")
    answer(bench)
    assert bench.messages()[-1] == message.EnableFrontend("front", ())
    assert "front" not in bench.service.process_state.sockets.suspended


def test_frontend_that_is_removed_during_its_drain_ends_the_drain(bench: Bench) -> None:
    left = drain(bench)
    bench.reload(bench.settings(name="other"))
    answer(bench)
    assert left == [0]


def test_workers_are_asked_for_administrators(bench: Bench) -> None:
    bench.received(1)
    answer = bench.service.others[1](ShutDown("abc-1"))
    (asked,) = bench.messages(1)
    bench.deliver(bench.workers[1], message.Answer(asked.number, value=True))
    assert answer.called


def test_events_of_workers_are_for_those_who_watch(bench: Bench) -> None:
    bench.received()
    seen: list[LogEvent] = []
    events = bench.service.events
    assert events is not None
    events.addObserver(seen.append)
    assert bench.messages() == [message.Watch(is_on=True, sessions=False)]
    events.want_sessions(True)
    assert bench.messages() == [message.Watch(is_on=True, sessions=True)]
    bench.deliver(bench.workers[0], message.Event("info", {"event": "session", "id": "abc-1"}))
    assert [(event["event"], event["id"]) for event in seen] == [("session", "abc-1")]
    bench.forker.ends(bench.workers[1])
    bench.forker.work()
    assert bench.messages(2)[-1] == message.Watch(is_on=True, sessions=True)
    events.removeObserver(seen.append)
    assert bench.messages()[-1] == message.Watch(is_on=False, sessions=True)


def test_log_files_are_opened_again_everywhere(bench: Bench) -> None:
    bench.received()
    bench.service.reopen_log()
    assert bench.messages() == [message.Reopen()]


def test_service_whose_workers_are_all_lost_stops_with_status_1(bench: Bench) -> None:
    for _ in range(2):
        bench.service.all_lost()
        bench.reactor.advance(0)
    assert bench.reactor.stops == 1
    assert bench.service.stop.exit_status == 1
