"""
The workers of the main process: it starts them, sends them messages, and replaces those that end.

Each worker counts seconds in its page. One whose count stays the same (`Member.check_alive`) has stopped and is killed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mailproxy.counting.places import BEAT
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.sockets import SocketKey
from mailproxy.process.channel import Channel
from mailproxy.process.counts import MainCounts
from mailproxy.process.forkers import Forkers
from mailproxy.process.member import Member
from mailproxy.process.message import Answer, Configure, Ready, Stop, StopNow, Unready
from mailproxy.process.open_questions import OpenQuestions
from mailproxy.process.replacement import ShortLives
from mailproxy.process.worker_ends import WorkerEnds, described, how_it_ended
from mailproxy.transport.poller import Poller

CHECK_SECONDS = 1.0

# In a stop, workers may live this much longer than their sessions.
GRACE_SECONDS = 5.0


class Source(Protocol):
    """Makes the messages for workers, and takes those from them."""

    def reading(self, has: set[SocketKey]) -> tuple[Configure, Sequence[int]]:
        """Return the current reading for a worker that has these sockets, and the descriptors of the other sockets."""

    def first(self) -> Iterable[object]:
        """Return the messages for a worker that begins, before its first reading."""

    def more(self) -> Sequence[object]:
        """Return the further messages for a worker that begins."""

    @property
    def sockets(self) -> set[SocketKey]:
        """The keys of the listening sockets."""

    def received(self, message: Any) -> None:
        """Take a message from a worker."""

    def all_lost(self) -> None:
        """End the service: there is no worker, and no forker that can make one."""


class Workers:
    """The workers, from `start` to `stop`."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self, first: tuple[socket.socket, int], count: int, counts: MainCounts, source: Source, reactor: Any
    ) -> None:
        """`first` is the forker's socket and process id."""
        self._first = first
        self._count = count
        self._counts = counts
        self._source = source
        self._clock = reactor
        self._poller: Poller = reactor.poller
        self._forkers: Forkers | None = None
        self._members: dict[int, Member] = {}
        self._short_lives = ShortLives()
        self._pauses: dict[int, IDelayedCall] = {}
        self._check_call: IDelayedCall | None = None
        self._waiting: list[Deferred[Sequence[str]]] = []
        self._have_been_ready = False
        self._delayed: set[int] = set()
        """The workers that could not be started at the last attempt, as the log says."""
        self._behind: list[str] = []
        """Which workers cannot use the reading that they got last, and why."""
        self._questions = OpenQuestions(reactor)
        self._ends = WorkerEnds(reactor)
        self._stopped: Deferred[None] | None = None
        self._deadline: IDelayedCall | None = None

    @property
    def members(self) -> list[Member]:
        """The running workers, in the order of their numbers."""
        return [self._members[number] for number in sorted(self._members)]

    @property
    def ended(self) -> int:
        """How many workers have ended since the start, and were, or are to be, replaced."""
        return self._ends.count

    @property
    def latest_ends(self) -> Sequence[str]:
        """A sentence about each worker that has ended in the last minutes, or that cannot be replaced."""
        if self._forkers is None or self._forkers.can_fork:
            return self._ends.sentences({member.number for member in self._members.values() if member.pid})
        return self._ends.sentences(self._members, set(range(self._count)) - self._members.keys())

    def start(self) -> Deferred[Sequence[str]]:
        """Start the workers; the Deferred fires when all are ready."""
        self._forkers = Forkers(
            self._first, self._poller, forked=self._forked, not_forked=self._not_forked, exited=self._exited
        )
        for number in range(self._count):
            self._fork(number)
        self._check_call = self._clock.callLater(CHECK_SECONDS, self._check_round)
        return self.when_ready()

    # The start of a worker.

    def _fork(self, number: int) -> None:
        self._pauses.pop(number, None)
        assert self._forkers is not None
        if not self._forkers.can_fork:
            self._see_whether_ready()
            self._see_whether_over()
            return
        try:
            self._make_member(number)
        except OSError as error:  # too few descriptors are left
            self._delay(number, str(error.strerror))

    def _delay(self, number: int, reason: str) -> None:
        """Try again in a while to start a worker; say so once."""
        if number not in self._delayed:
            self._delayed.add(number)
            self._log.error(
                "worker {worker} cannot be started now, mailproxy tries again: {reason}",
                event="worker-delayed",
                worker=number,
                reason=reason,
            )
        member = self._members.pop(number, None)
        if member is not None:
            member.close()
            self._questions.fail(member)
        if self._stopped is None:
            self._pauses[number] = self._clock.callLater(CHECK_SECONDS, self._fork, number)
        self._see_whether_ready()
        self._see_whether_over()

    def _make_member(self, number: int) -> None:
        assert self._forkers is not None
        ours, its = socket.socketpair()
        received, lost = partial(self._received, number), partial(self._lost, number)
        channel = Channel(ours, self._poller, received, lost, is_trusted=False)
        member = self._members[number] = Member(number, channel, self._clock.seconds())
        with its:
            member.stamp = self._forkers.fork(number, its)
        for message in self._source.first():
            channel.send(message)
        self._send_reading(member)
        for message in self._source.more():
            channel.send(message)

    def _forked(self, stamp: int, pid: int) -> None:
        for member in self._members.values():
            if member.stamp == stamp:
                member.begin(pid)
                self._delayed.discard(member.number)
                self._log.info("worker {worker} is pid {pid}", event="worker", worker=member.number, pid=pid)

    def _not_forked(self, stamp: int, reason: str) -> None:
        for member in self.members:
            if member.stamp == stamp:
                self._delay(member.number, reason)

    def _send_reading(self, member: Member) -> None:
        reading, descriptors = self._source.reading(member.sockets)
        member.sent, member.is_ready = reading.number, False
        member.sockets = self._source.sockets
        member.channel.send(reading, descriptors)

    # Messages to and from workers.

    def read(self) -> Deferred[Sequence[str]]:
        """
        Send all workers the current reading of the configuration; the Deferred fires when all have answered.

        Its value names the workers that cannot use it, with the reasons; they keep the previous one.
        """
        self._behind = []
        for member in self._members.values():
            self._send_reading(member)
        return self.when_ready()

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Send a message to all workers."""
        for member in self._members.values():
            member.channel.send(message, descriptors)

    def ask(self, member: Member, question: Any) -> Deferred[Any]:
        """Ask a worker; the Deferred has the answer, and fails if the worker ends or the answer is late."""
        return self._questions.ask(member, question)

    def when_ready(self) -> Deferred[Sequence[str]]:
        """Return a Deferred that fires when all workers have answered to the last reading."""
        ready: Deferred[Sequence[str]] = Deferred()
        self._waiting.append(ready)
        self._see_whether_ready()
        return ready

    def _see_whether_ready(self) -> None:
        # One that is replaced later begins with the latest reading, and one may have no forker that replaces it: nobody
        # waits for these. Only at the start some worker has to be there.
        if (self._members or self._have_been_ready) and all(member.is_ready for member in self._members.values()):
            self._have_been_ready = True
            waiting, self._waiting = self._waiting, []
            for ready in waiting:
                ready.callback(tuple(self._behind))

    def _received(self, number: int, message: Any, descriptors: list[int]) -> None:
        match message:
            case Ready() | Unready():
                # Its answer about an earlier reading may come after the next one was sent to it.
                is_latest = message.number == self._members[number].sent
                if isinstance(message, Unready):
                    self._log_behind(number, message.problem, is_latest=is_latest)
                if is_latest:
                    self._members[number].is_ready = True
                    self._see_whether_ready()
            case Answer():
                self._questions.answered(message)
            case _:
                self._source.received(message)

    def _log_behind(self, number: int, reason: str, *, is_latest: bool) -> None:
        if is_latest:
            self._behind.append(f"worker {number} keeps the previous configuration: {reason}")
        self._log.error(
            "worker {worker} keeps the previous configuration: {reason}",
            event="worker-unready",
            worker=number,
            reason=reason,
        )

    # The end of a worker.

    def _lost(self, number: int) -> None:
        """Wait for the forker's report how a worker has ended; without a forker, that stays unknown."""
        member = self._members.get(number)
        if member is not None:
            member.report_deadline = self._clock.callLater(CHECK_SECONDS, self._ended, member, None)

    def _exited(self, pid: int, status: int) -> None:
        for member in list(self._members.values()):
            if member.pid == pid:
                self._ended(member, status)

    def _ended(self, member: Member, status: int | None) -> None:
        number = member.number
        if self._members.get(number) is not member:
            return
        member.kill()  # one whose socket alone is broken
        member.close()
        del self._members[number]
        self._questions.fail(member)
        self._counts.fold(number)
        is_stopping = self._stopped is not None
        if not (is_stopping and status in (0, None)):
            self._log.error(
                "worker {worker}, pid {pid}, has ended: {reason}",
                event="worker-ended",
                worker=number,
                pid=member.pid,
                reason=described(status) if member.pid else "it was not started, as the forker has ended",
            )
        if is_stopping:
            self._see_whether_over()
            return
        if member.pid:
            self._ends.add(number, how_it_ended(status, was_silent=member.was_silent))
        pause = self._short_lives.pause_after(number, self._clock.seconds() - member.began)
        if pause:
            self._pauses[number] = self._clock.callLater(pause, self._fork, number)
            self._see_whether_ready()
        else:
            self._fork(number)

    def _check_round(self) -> None:
        """
        Kill workers that have stopped counting, and forkers that do not answer.

        Report when there is no worker, and none can be made.
        """
        self._check_call = self._clock.callLater(CHECK_SECONDS, self._check_round)
        assert self._forkers is not None
        if not self._members and not self._forkers.can_fork and self._stopped is None:
            self._source.all_lost()
        self._forkers.check_alive()
        for member in self._members.values():
            if member.check_alive(self._counts.pages.workers[member.number][BEAT]):
                self._log.error(
                    "worker {worker}, pid {pid}, has not responded for {seconds:g} s, and is killed",
                    event="worker-silent",
                    worker=member.number,
                    pid=member.pid,
                    seconds=member.silent_checks * CHECK_SECONDS,
                )
                member.kill()

    # The stop of the service.

    def stop(self, times: StopTimes) -> Deferred[None]:
        """Stop all workers, with these times for their sessions; the Deferred fires when they have ended."""
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        for call in self._pauses.values():
            call.cancel()
        self._pauses.clear()
        self.send(Stop(times))
        self._deadline = self._clock.callLater(times.total + GRACE_SECONDS, self._kill)
        self._see_whether_over()
        return stopped

    def stop_now(self) -> None:
        """Stop all workers at once."""
        self.send(StopNow())
        if self._deadline is not None:
            self._deadline.reset(GRACE_SECONDS)

    def _kill(self) -> None:
        self._deadline = None
        for member in self._members.values():
            self._log.error(
                "worker {worker}, pid {pid}, does not end, and is killed",
                event="worker-silent",
                worker=member.number,
                pid=member.pid,
            )
            member.kill()

    def _see_whether_over(self) -> None:
        if self._members or self._pauses or self._stopped is None:
            return
        for call in (self._check_call, self._deadline):
            if call is not None:
                call.cancel()
        self._check_call = self._deadline = None
        if self._forkers is not None:
            self._forkers.close()
        stopped, self._stopped = self._stopped, Deferred()
        stopped.callback(None)
