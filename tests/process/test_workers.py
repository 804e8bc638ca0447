"""The workers of the main process: start, end and replacement."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, capturedLogs, formatEvent

from mailproxy.bans.bans import BanChange
from mailproxy.control.questions import ShutDown
from mailproxy.counting.page import Pages
from mailproxy.counting.places import BEAT
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.sockets import SocketKey
from mailproxy.process.counts import MainCounts
from mailproxy.process.forkers import SILENT_CHECKS as FORKER_SILENT_CHECKS
from mailproxy.process.member import SILENT_CHECKS, SILENT_CHECKS_AT_START
from mailproxy.process.message import Answer, Configure, Missed, Ready, Stop, StopNow, Unready
from mailproxy.process.open_questions import ANSWER_SECONDS
from mailproxy.process.replacement import FIRST_PAUSE_SECONDS, SHORT_LIFE_SECONDS
from mailproxy.process.worker_ends import described
from mailproxy.process.workers import GRACE_SECONDS, Workers
from mailproxy.session.numbers import SESSIONS
from mailproxy.tls.server_files import ServerFiles
from tests.bans.builders import ban
from tests.config.builders import read
from tests.process.forker import FakeForker, Played
from tests.session.bench import FakeReactor


class Bench:
    """`Workers` for two processes, which the test controls as well as the forker."""

    sockets: set[SocketKey] = set()  # noqa: RUF012  # none

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.forker = FakeForker(self.reactor)
        self.pages = Pages(2)
        self.counts = MainCounts(self.pages)
        self.counts.assign_places(read())
        self.messages: list[Any] = []
        self.before: list[object] = []
        self.number = 1
        self.workers = Workers((self.forker.ours, 0), 2, self.counts, self, self.reactor)
        self.ready = self.workers.start()
        self.forker.work()

    def reading(self, has: set[SocketKey]) -> tuple[Configure, Sequence[int]]:
        return Configure(self.number, read(), "here", {}, {}, ServerFiles(), (), {}, {}, (), frozenset(), (), ()), ()

    def first(self) -> Sequence[object]:
        return self.before

    def more(self) -> Sequence[object]:
        return ()

    def received(self, message: Any) -> None:
        self.messages.append(message)

    def all_lost(self) -> None:
        self.messages.append("all lost")

    @property
    def played(self) -> list[Played]:
        return self.forker.workers

    def deliver(self, worker: Played, message: object) -> None:
        worker.deliver(message)
        self.reactor.poller.poll(0)

    def sent_to(self, worker: Played) -> list[Any]:
        self.reactor.poller.poll(0)
        return [message for message, _ in worker.received()]

    def be_ready(self) -> None:
        for worker in self.played[-2:]:
            self.deliver(worker, Ready(self.number))

    def end(self, worker: Played, status: int = -9) -> None:
        self.forker.ends(worker, status)
        self.forker.work()

    def live(self, seconds: float, *, silent: int = -1) -> None:
        """Advance the clock, while all workers except one show signs of life."""
        for _ in range(int(seconds)):
            for number, page in enumerate(self.pages.workers):
                if number != silent:
                    page[BEAT] += 1
            self.reactor.advance(1.0)
            self.forker.work()

    def result(self, deferred: Deferred[Any]) -> Any:
        found: list[Any] = []
        deferred.addCallback(found.append)
        return found[0]

    def failure(self, deferred: Deferred[Any]) -> BaseException | None:
        found: list[Any] = []
        deferred.addErrback(found.append)
        return found[0].value if found else None

    def close(self) -> None:
        for member in self.workers.members:
            member.close()
        self.forker.close()
        for _ in range(3):
            self.reactor.poller.poll(0)
        self.reactor.poller.close()


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


def lines(logged: Sequence[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in logged if event["log_level"].name in ("error", "critical")]


def test_each_worker_learns_the_configuration(bench: Bench) -> None:
    assert [worker.fork.worker for worker in bench.played] == [0, 1]
    assert [[message.number for message in bench.sent_to(worker)] for worker in bench.played] == [[1], [1]]


def test_stamps_are_all_others(bench: Bench) -> None:
    bench.end(bench.played[0])
    assert len({worker.fork.stamp for worker in bench.played}) == 3


def test_workers_are_ready_when_all_have_answered(bench: Bench) -> None:
    bench.deliver(bench.played[0], Ready(1))
    assert not bench.ready.called
    bench.deliver(bench.played[1], Ready(1))
    assert bench.ready.called


def test_later_reading_is_for_all(bench: Bench) -> None:
    bench.be_ready()
    bench.number = 2
    done = bench.workers.read()
    assert [bench.sent_to(worker)[-1].number for worker in bench.played] == [2, 2]
    assert not done.called
    bench.be_ready()
    assert done.called


def test_worker_that_cannot_take_a_reading_up_holds_nobody_up(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.deliver(bench.played[0], Unready(1, "no memory"))
    bench.deliver(bench.played[1], Ready(1))
    assert bench.ready.called
    assert lines(logged) == ["worker 0 keeps the previous configuration: no memory"]


def test_workers_that_cannot_take_a_reading_up_are_named(bench: Bench) -> None:
    bench.be_ready()
    for expected in (("worker 0 keeps the previous configuration: no memory",), ()):
        bench.number += 1
        read = bench.workers.read()
        bench.deliver(bench.played[0], Unready(bench.number, "no memory") if expected else Ready(bench.number))
        assert not read.called
        bench.deliver(bench.played[1], Ready(bench.number))
        assert bench.result(read) == expected


def test_answer_about_an_earlier_reading_does_not_count_for_a_later_one(bench: Bench) -> None:
    bench.be_ready()
    bench.number = 2
    bench.workers.read()
    bench.number = 3
    done = bench.workers.read()
    bench.deliver(bench.played[0], Unready(2, "no memory"))
    bench.deliver(bench.played[1], Ready(2))
    assert not done.called
    bench.be_ready()
    assert bench.result(done) == ()


def test_messages_of_workers_are_passed_on(bench: Bench) -> None:
    missed = Missed("b", "imap", "d1", "refused", None)
    bench.deliver(bench.played[1], missed)
    assert bench.messages == [missed]


def test_worker_is_asked_and_answers(bench: Bench) -> None:
    member = bench.workers.members[1]
    answers = [bench.workers.ask(member, ShutDown(name)) for name in "ab"]
    first, second = bench.sent_to(bench.played[1])[-2:]
    assert (first.question, second.question) == (ShutDown("a"), ShutDown("b"))
    bench.deliver(bench.played[1], Answer(second.number, True))
    bench.deliver(bench.played[1], Answer(first.number, None, "no such session"))
    assert bench.result(answers[1]) is True
    assert str(bench.failure(answers[0])) == "no such session"


def test_worker_that_ends_or_is_late_has_no_answer(bench: Bench) -> None:
    one, other = bench.workers.members
    gone, late = bench.workers.ask(one, ShutDown("a")), bench.workers.ask(other, ShutDown("a"))
    bench.end(bench.played[0])
    assert "has ended" in str(bench.failure(gone))
    bench.live(ANSWER_SECONDS)
    assert bench.failure(late) is not None


def test_worker_that_ends_is_replaced_at_once(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.be_ready()
    first = bench.played[1]
    bench.end(first)
    assert [worker.fork.worker for worker in bench.played] == [0, 1, 1]
    assert lines(logged) == [f"worker 1, pid {first.process.pid}, has ended: killed by SIGKILL"]
    assert bench.sent_to(bench.played[2])[0].number == 1
    assert bench.workers.ended == 1
    (end,) = bench.workers.latest_ends
    assert end.startswith("worker 1 was killed by SIGKILL at ")
    assert end.endswith(" UTC, and was replaced")


def test_worker_that_is_replaced_after_a_pause_is_not_there_yet(bench: Bench) -> None:
    bench.end(bench.played[0])
    bench.end(bench.played[2])
    (end,) = bench.workers.latest_ends
    assert "and is not replaced yet; it has ended 2 times" in end
    bench.reactor.advance(FIRST_PAUSE_SECONDS)
    (end,) = bench.workers.latest_ends
    assert "and is not replaced yet; it has ended 2 times" in end
    bench.forker.work()
    (end,) = bench.workers.latest_ends
    assert "and was replaced; it has ended 2 times" in end


def test_counters_of_a_worker_that_ended_stay(bench: Bench) -> None:
    place = bench.counts.places["counter frontend imaps"] + SESSIONS
    bench.pages.workers[0][place] = 3
    bench.end(bench.played[0])
    assert (bench.pages.workers[0][place], bench.counts.frontend("imaps").sums()[SESSIONS]) == (0, 3)


def test_worker_that_ends_again_and_again_is_replaced_after_pauses(bench: Bench) -> None:
    bench.end(bench.played[0])
    bench.end(bench.played[2])
    assert len(bench.played) == 3
    bench.reactor.advance(FIRST_PAUSE_SECONDS)
    bench.forker.work()
    assert len(bench.played) == 4
    bench.end(bench.played[3])
    bench.reactor.advance(FIRST_PAUSE_SECONDS)
    bench.forker.work()
    assert len(bench.played) == 4


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Have this number of descriptors left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        while count:
            os.close(taken.pop())
            count -= 1
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("left", [0, 2])
def test_worker_is_replaced_when_there_are_descriptors_again(
    bench: Bench, logged: Sequence[LogEvent], left: int
) -> None:
    bench.end(bench.played[0])
    bench.end(bench.played[2])
    in_use = len(os.listdir("/proc/self/fd"))
    with descriptors_left(left):
        bench.reactor.advance(FIRST_PAUSE_SECONDS)
    assert len(os.listdir("/proc/self/fd")) <= in_use
    assert lines(logged)[-1] == "worker 0 cannot be started now, mailproxy tries again: Too many open files"
    assert len(bench.workers.members) == 1
    bench.live(1)
    assert [worker.fork.worker for worker in bench.played] == [0, 1, 0, 0]
    assert [member.pid for member in bench.workers.members] == [bench.played[n].process.pid for n in (3, 1)]


def test_reload_does_not_wait_for_a_worker_that_begins_after_a_pause(bench: Bench) -> None:
    bench.be_ready()
    bench.end(bench.played[0])
    read = bench.workers.read()
    bench.deliver(bench.played[1], Ready(1))
    assert not read.called
    bench.end(bench.played[2])
    assert bench.result(read) == ()


def test_worker_that_lived_long_is_replaced_without_a_pause(bench: Bench) -> None:
    for number in (0, 2, 3):
        bench.live(SHORT_LIFE_SECONDS + 1)
        bench.end(bench.played[number])
    assert len(bench.played) == 5


def test_worker_that_shows_no_life_is_killed(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.be_ready()
    bench.live(2)
    bench.live(SILENT_CHECKS - 1, silent=1)
    assert bench.played[1].process.poll() is None
    bench.live(1, silent=1)
    assert bench.played[1].process.wait(5) == -9
    assert bench.played[0].process.poll() is None
    assert f"has not responded for {SILENT_CHECKS} s" in lines(logged)[0]
    bench.end(bench.played[1])
    assert bench.workers.latest_ends[0].startswith("worker 1 did not respond and was killed at ")


def test_worker_that_begins_gets_bans_before_it_accepts(bench: Bench) -> None:
    bench.before = [BanChange((ban("192.0.2.7"),))]
    bench.be_ready()
    bench.end(bench.played[0], 1)
    first, reading = bench.sent_to(bench.played[-1])
    assert first == BanChange((ban("192.0.2.7"),))
    assert isinstance(reading, Configure)


def test_worker_that_begins_has_longer(bench: Bench) -> None:
    bench.live(SILENT_CHECKS_AT_START - 1, silent=1)
    assert bench.played[1].process.poll() is None
    bench.live(1, silent=1)
    assert bench.played[1].process.wait(5) == -9


def test_stop_is_over_when_all_have_ended(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.be_ready()
    stopped = bench.workers.stop(StopTimes(hard=10.0))
    assert [bench.sent_to(worker)[-1] for worker in bench.played] == [Stop(StopTimes(hard=10.0))] * 2
    bench.end(bench.played[0], 0)
    assert not stopped.called
    bench.end(bench.played[1], 0)
    assert stopped.called
    assert len(bench.played) == 2
    assert lines(logged) == []
    assert bench.reactor.getDelayedCalls() == []


def test_worker_that_does_not_end_is_killed(bench: Bench) -> None:
    bench.be_ready()
    bench.workers.stop(StopTimes(hard=10.0))
    bench.live(10.0 + GRACE_SECONDS - 1)
    assert bench.played[0].process.poll() is None
    bench.live(1)
    assert [worker.process.wait(5) for worker in bench.played] == [-9, -9]


def test_stop_can_be_hurried(bench: Bench) -> None:
    bench.be_ready()
    bench.workers.stop(StopTimes(hard=1000.0))
    bench.workers.stop_now()
    assert bench.sent_to(bench.played[0])[-1] == StopNow()
    bench.live(GRACE_SECONDS)
    assert [worker.process.wait(5) for worker in bench.played] == [-9, -9]


def test_stop_ends_the_forkers(bench: Bench) -> None:
    bench.workers.stop(StopTimes(hard=1.0))
    for worker in list(bench.played):
        bench.end(worker, 0)
    assert bench.forker.end.received() == []
    assert bench.forker.end.has_ended
    assert bench.forker.spares[0].received() == []
    assert bench.forker.spares[0].has_ended


def test_forker_that_ended_has_a_successor(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.be_ready()
    bench.forker.end.close()
    bench.forker.end = bench.forker.spares[0]
    bench.reactor.poller.poll(0)
    bench.forker.work()
    assert len(bench.forker.spares) == 2
    worker = bench.played[0]
    worker.process.kill()
    worker.close()
    bench.reactor.poller.poll(0)
    bench.live(1)
    bench.forker.work()
    assert bench.played[-1].fork.worker == 0
    assert lines(logged) == [f"worker 0, pid {worker.process.pid}, has ended: {described(None)}"]


def test_forker_that_is_stopped_is_killed(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.be_ready()
    bench.forker.end.close()
    first = bench.forker.end = bench.forker.spares[0]
    bench.reactor.poller.poll(0)
    bench.forker.work()
    bench.live(FORKER_SILENT_CHECKS + 5)
    assert lines(logged) == []
    bench.forker.is_stopped = True
    bench.live(FORKER_SILENT_CHECKS)
    assert first.process.poll() is None
    bench.live(1)
    assert first.process.wait(5) == -9
    assert bench.forker.spares[1].process.poll() is None
    assert lines(logged) == [
        f"the forker, pid {first.process.pid}, has not answered {FORKER_SILENT_CHECKS} checks in a row, and is killed"
    ]


def end_forkers(bench: Bench) -> None:
    """End both forkers, and the new spare one that is not forked yet."""
    bench.be_ready()
    bench.forker.spares[0].close()
    bench.reactor.poller.poll(0)
    bench.forker.work()
    bench.forker.spares[1].close()
    bench.forker.end.close()
    for _ in range(3):
        bench.reactor.poller.poll(0)
    bench.live(2)


def test_without_a_forker_and_workers_all_is_lost(bench: Bench) -> None:
    end_forkers(bench)
    for worker, messages in zip(bench.played, ([], ["all lost"]), strict=True):
        worker.process.kill()
        worker.close()
        bench.reactor.poller.poll(0)
        bench.live(2)
        assert bench.messages[:1] == messages
    assert bench.workers.members == []


def test_without_a_forker_the_workers_continue(bench: Bench, logged: Sequence[LogEvent]) -> None:
    end_forkers(bench)
    assert "without a spare one" in "".join(lines(logged))
    assert len(bench.workers.members) == 2


def test_without_a_forker_a_reload_does_not_wait_for_workers_that_ended(bench: Bench) -> None:
    end_forkers(bench)
    bench.played[0].process.kill()
    bench.played[0].close()
    bench.reactor.poller.poll(0)
    bench.live(2)
    (member,) = bench.workers.members
    (sentence,) = bench.workers.latest_ends
    assert sentence.startswith(f"worker {1 - member.number} ended for an unknown reason")
    assert "cannot be replaced" in sentence
    reloaded = bench.workers.read()
    bench.deliver(bench.played[1], Ready(member.sent))
    assert bench.result(reloaded) == ()


def test_worker_that_ends_during_a_reload_without_a_forker_holds_nobody_up(bench: Bench) -> None:
    end_forkers(bench)
    reloaded = bench.workers.read()
    bench.deliver(bench.played[1], Ready(bench.workers.members[1].sent))
    bench.played[0].process.kill()
    bench.played[0].close()
    bench.reactor.poller.poll(0)
    bench.live(2)
    assert bench.result(reloaded) == ()


def test_worker_that_cannot_be_forked_now_is_forked_later(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.be_ready()
    bench.forker.problem = "Resource temporarily unavailable"
    bench.end(bench.played[0])
    bench.forker.work()
    (member,) = bench.workers.members
    assert member.number == 1
    assert lines(logged)[-1] == (
        "worker 0 cannot be started now, mailproxy tries again: Resource temporarily unavailable"
    )
    reloaded = bench.workers.read()
    bench.deliver(bench.played[1], Ready(member.sent))
    assert bench.result(reloaded) == ()
    bench.live(3)
    bench.forker.problem = ""
    bench.live(1)
    bench.forker.work()
    assert [member.number for member in bench.workers.members if member.pid] == [0, 1]
    assert sum("cannot be started now" in line for line in lines(logged)) == 1
    bench.forker.problem = "Cannot allocate memory"
    bench.end(bench.played[-1])
    bench.live(3)  # it is replaced after a pause: it has lived for a short time
    assert sum("cannot be started now" in line for line in lines(logged)) == 2


def test_reload_while_no_worker_can_be_forked_is_held_up_by_nobody(bench: Bench) -> None:
    bench.be_ready()
    bench.forker.problem = "Resource temporarily unavailable"
    for played in list(bench.played):
        bench.end(played)
    bench.forker.work()
    assert bench.workers.members == []
    assert bench.result(bench.workers.read()) == ()
    bench.forker.problem = ""
    bench.live(1)
    bench.forker.work()
    assert [member.sent for member in bench.workers.members] == [bench.number] * 2


def test_start_waits_for_a_worker_that_cannot_be_forked_yet(bench: Bench) -> None:
    bench.forker.problem = "Resource temporarily unavailable"
    for played in list(bench.played):
        bench.end(played)
    bench.forker.work()
    assert bench.workers.members == []
    assert not bench.ready.called


def test_worker_that_cannot_be_forked_holds_no_stop_up(bench: Bench) -> None:
    bench.be_ready()
    bench.forker.problem = "Resource temporarily unavailable"
    bench.end(bench.played[0])
    stopped = bench.workers.stop(StopTimes(hard=10.0))
    bench.forker.work()
    bench.end(bench.played[1], 0)
    assert stopped.called
    assert bench.reactor.getDelayedCalls() == []


def test_spare_forker_that_cannot_be_forked_now_is_forked_later(bench: Bench, logged: Sequence[LogEvent]) -> None:
    bench.be_ready()
    bench.forker.problem = "Cannot allocate memory"
    bench.forker.spares[0].close()
    for _ in range(3):
        bench.reactor.poller.poll(0)
        bench.live(1)
        bench.forker.work()
    assert lines(logged) == ["there is no spare forker now, mailproxy tries again: Cannot allocate memory"]
    bench.forker.problem = ""
    bench.live(1)
    bench.forker.work()
    assert len(bench.forker.spares) == 2
