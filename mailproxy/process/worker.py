"""A worker: it accepts clients and runs their sessions, as the main process directs."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger, globalLogBeginner, globalLogPublisher
from twisted.python.failure import Failure

from mailproxy.bans.bans import BanChange
from mailproxy.config import Config
from mailproxy.control.grammar import BadCommand
from mailproxy.control.live import LiveEvents
from mailproxy.control.questions import answer_question
from mailproxy.counting.page import Pages
from mailproxy.front.collector import quiet_collector
from mailproxy.front.drains import NoSuchPart
from mailproxy.front.files import judge_files
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.prepare import Prepared, arrange
from mailproxy.front.reading import ReadConfiguration
from mailproxy.front.sockets import SocketKey
from mailproxy.process import message
from mailproxy.process.channel import Channel
from mailproxy.process.counts import MainCounts, WorkerCounts
from mailproxy.process.events import Forwarding
from mailproxy.process.forker import IGNORED
from mailproxy.process.identity import name_process
from mailproxy.process.message import Fork
from mailproxy.process.worker_service import WorkerService
from mailproxy.transport.bound import Bound
from mailproxy.transport.poller import READ

# Imported before the fork, which all processes share: in a worker, the import would copy 2 MB. It makes no reactor.
from mailproxy.transport.reactor import install

# The interval of a worker's signs of life.
BEAT_SECONDS = 1.0

MakeLog = Callable[[Config], Any]
"""Makes the log of a process: a `ProcessLog` that is called with events, and that `close` ends."""


class Worker:
    """One worker, from its fork to its end."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, fork: Fork, sock: socket.socket, pages: Pages, first: Prepared, reactor: Any, log: Any) -> None:
        """`first` is the reading with number 1, which was prepared before the fork."""
        assert fork.worker is not None
        self._stamp = fork.stamp
        self._first = first
        self._reactor = reactor
        self._process_log = log
        self._process_state = first.process_state
        previous = self._process_state.counts
        tables = previous.tables if isinstance(previous, MainCounts) else ()
        self._counts = WorkerCounts(pages, fork.worker, reactor, tables)
        self._process_state.counts = self._counts
        self._poller = reactor.poller
        self._channel = Channel(sock, self._poller, self._received, self._lost, is_trusted=True)
        self._events: Forwarding | None = None
        self._service: WorkerService | None = None
        self._beats = 0
        self._beat: IDelayedCall | None = None
        self._is_stopping = False
        self._poller.add(self._counts.bell, self._counts.rung, READ)

    def begin(self) -> None:
        """Begin the signs of life, and wait for messages of the main process."""
        self._send_beat()

    def _send_beat(self) -> None:
        if self._service is not None:
            for frontend in self._service.frontends:
                frontend.wait_again()
        self._beats += 1
        self._counts.beat(self._beats)
        self._beat = self._reactor.callLater(BEAT_SECONDS, self._send_beat)

    # Messages from the main process.

    def _received(self, order: Any, descriptors: list[int]) -> None:
        match order:
            case message.Configure():
                self._read(order, descriptors)
            case BanChange():
                self._process_state.bans.change(order)
            case message.Reopen():
                self._process_log.reopen()
            case message.Stop():
                self._stop(order.times)
            case message.StopNow():
                if self._service is not None:
                    self._service.stop.hurry()
                self._stop()
            case _ if self._service is not None:
                self._apply(self._service, order, descriptors)

    def _apply(self, service: WorkerService, order: Any, descriptors: list[int]) -> None:
        """Apply a message to the service."""
        match order:
            case message.Watch():
                assert self._events is not None
                self._events.switch(is_on=order.is_on, sessions=order.sessions)
            case message.ServerUpdate():
                service.update_server(order)
            case message.Learned():
                service.learn(order)
            case message.Renewed():
                service.renewals.take(order.certificates).addErrback(self._not_renewed)
            case message.Listed():
                service.process_state.lists.take(order.read)
            case message.Trusted():
                service.verify_with(order).addErrback(self._not_renewed)
            case message.Tickets():
                service.process_state.tls.take_keys(order.numbers)
            case message.EnableFrontend():
                self._adopt(order.sockets, descriptors)
                service.drains.frontend_ready(order.frontend)
            case message.Ask():
                self._answer(service, order)

    def _read(self, reading: message.Configure, descriptors: list[int]) -> None:
        self._adopt(reading.sockets, descriptors)
        self._counts.places.take(reading.places)
        try:
            self._take_up(reading)
        except Exception:
            failure = Failure()
            self._log.failure("a worker cannot use a reading of the configuration", failure)
            self._channel.send(message.Unready(reading.number, failure.getErrorMessage()))
            if self._service is None:
                self._end()
        else:
            self._channel.send(message.Ready(reading.number))

    def _adopt(self, keys: Sequence[SocketKey], descriptors: list[int]) -> None:
        for key, descriptor in zip(keys, descriptors, strict=True):
            self._process_state.sockets.adopt(key, Bound(socket.socket(fileno=descriptor), is_shared=True))

    def _answer(self, service: WorkerService, asked: message.Ask) -> None:
        """Answer the main process, on behalf of an administrator."""
        question = asked.question
        try:
            if isinstance(question, message.DrainFrontend):
                value: object = service.drains.stop_accepting(
                    question.frontend, kick=question.kick, spread=question.spread
                )
            else:
                value = answer_question(service, question)
        except (NoSuchPart, BadCommand) as error:
            self._channel.send(message.Answer(asked.number, None, str(error)))
        else:
            self._channel.send(message.Answer(asked.number, value))

    def _take_up(self, reading: message.Configure) -> None:
        service = self._service
        if service is not None:
            service.change_to(self._judge(reading))
            self._apply_known(service, reading)
            return
        if reading.number == 1:
            prepared = self._first
        else:
            judged = self._judge(reading)
            prepared = arrange(judged.settings, judged.source, judged.files, self._process_state)
        suspended = [one for one in reading.settings.frontends if one.name in reading.suspended]
        self._process_state.sockets.mark_suspended(suspended)
        service = self._service = WorkerService(prepared, self._reactor, self._stamp, self._channel.send)
        self._events = Forwarding(LiveEvents(globalLogPublisher, service.loop.log), self._channel.send)
        self._process_state.bans.ask = self._channel.send
        service.process_log = self._process_log
        self._process_log.configure(reading.settings)
        self._apply_known(service, reading)
        service.startService()

    def _judge(self, reading: message.Configure) -> ReadConfiguration:
        tls = self._process_state.tls
        tls.follow(reading.tickets)
        files = evolve(
            judge_files(
                reading.settings, reading.source, tls, reading.certificates, reading.trusts, reading.server_files
            ),
            lists=reading.lists,
        )
        return ReadConfiguration(reading.settings, reading.source, files, (), {})

    def _apply_known(self, service: WorkerService, reading: message.Configure) -> None:
        for update in reading.updates:
            service.update_server(update)
        for learned in reading.learned:
            service.learn(learned)

    def _not_renewed(self, failure: Failure) -> None:
        self._log.failure("a worker cannot use a certificate", failure)

    # The end of the worker.

    def _lost(self) -> None:
        """Stop: the main process has ended."""
        self._log.error("the main process has ended: this worker stops as well", event="orphan")
        for number in IGNORED[:3]:
            # Only signals can shorten this stop now.
            signal.signal(number, signal.SIG_DFL)
        if self._is_stopping and self._service is not None:
            # Else its sessions could go on for as long as that stop may take, which nobody sees or shortens any more.
            self._service.stop.hurry()
        self._stop()

    def _stop(self, times: StopTimes | None = None) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        if self._service is None:
            self._end()
        else:
            if times is not None:
                self._service.stop.times = times
            self._service.stopService().addBoth(self._stopped)

    def _stopped(self, result: object) -> None:
        if isinstance(result, Failure):
            self._log.failure("bug in the stop of a worker", result)
        self._end()

    def _end(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
        self._counts.stop()
        if self._reactor.running:
            self._reactor.stop()
        else:
            self._reactor.callWhenRunning(self._reactor.stop)


def work(fork: Fork, sock: socket.socket, *, pages: Pages, first: Prepared, make_log: MakeLog) -> None:
    """Run a worker in this forked process, until it ends."""
    reactor = install()
    name_process(f"mailproxy-w{fork.worker}")
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    log = make_log(first.settings)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    worker = Worker(fork, sock, pages, first, reactor, log)
    reactor.callWhenRunning(worker.begin)
    quiet_collector()
    reactor.run(installSignalHandlers=False)
    log.close()
