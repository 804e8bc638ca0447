"""The main process: it has the configuration and monitors servers; its workers run the sessions."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.bans.bans import BanChange
from mailproxy.bans.request import BanRequest
from mailproxy.control.questions import Ask
from mailproxy.front.drains import Drains
from mailproxy.front.generation import Generation
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.prepare import Prepared
from mailproxy.front.process_state import BackendKey
from mailproxy.front.role import MAIN
from mailproxy.front.sockets import SocketKey
from mailproxy.front.stop import SessionsEnd
from mailproxy.networks.network_list import ReadList
from mailproxy.process import message
from mailproxy.process.counts import MainCounts
from mailproxy.process.drains import MainDrains
from mailproxy.process.events import AllEvents
from mailproxy.process.server_report import take_report
from mailproxy.process.server_update import update_of
from mailproxy.process.workers import Workers
from mailproxy.process.workers_stop import WorkersStop
from mailproxy.service import ProxyService
from mailproxy.tls.store import Certificates
from mailproxy.tls.trust import ClientTrust


class MainService(ProxyService):
    """The service of the main process: it starts, informs and stops the workers."""

    role = MAIN

    def __init__(self, prepared: Prepared, reactor: Any, forker: tuple[socket.socket, int]) -> None:
        """`forker` is the socket to the forker, and its process id; it was forked after `prepared` was made."""
        counts = prepared.process_state.counts
        assert isinstance(counts, MainCounts)
        self._counts = counts
        self._number = 1
        self.events = self._events = AllEvents(globalLogPublisher, self._watch)
        self._workers = Workers(forker, prepared.settings.workers, counts, self, reactor)
        super().__init__(prepared, reactor)
        self.renewals.announce = self._renewed
        self.revocations.announce = self._trusted
        self.network_lists.announce = self._listed
        self.ticket_keys.announce = self._keys_changed
        self.bans.bans.announce = self._workers.send

    def _make_drains(self) -> Drains:
        return MainDrains(lambda: self._generation, self._process_state, self._loop, self._ask_all, self._enable)

    def _make_generation(self, prepared: Prepared) -> Generation:
        made = super()._make_generation(prepared)
        made.learned = self._learned
        for key, backend in prepared.backends.items():
            backend.observers.append(partial(self._changed, key))
        return made

    # Messages to workers.

    def reading(self, has: set[SocketKey]) -> tuple[message.Configure, Sequence[int]]:
        """Return the current reading for a worker that has these sockets, and the descriptors of the other sockets."""
        prepared, sockets = self._prepared, self._process_state.sockets
        new = tuple(sockets.keys() - has)
        reading = message.Configure(
            self._number,
            prepared.settings,
            prepared.source,
            {
                name: served
                for name, served in self._process_state.certificates.in_use.items()
                if name in prepared.settings.tls
            },
            self.revocations.trusts,
            prepared.files.server_files,
            self._process_state.lists.all(),
            self._process_state.tls.numbers,
            self._counts.places.copy(),
            new,
            # A worker that begins while the others stop accepting does not accept.
            sockets.suspended | self.drains.emptying,
            tuple(
                update_of(key, server) for key, backend in prepared.backends.items() for server in backend.pool.servers
            ),
            tuple(
                message.Learned(frontend.name, dialogue.capabilities)
                for frontend in self.frontends
                if frontend.learns
                and (dialogue := frontend.terms.dialogue) is not None
                and dialogue.capabilities is not None
            ),
        )
        return reading, [sockets[key].socket.fileno() for key in new]

    def first(self) -> Iterator[object]:
        """Yield the messages for a worker that begins, before its first reading: no banned client may get in."""
        return (BanChange(tuple(bans)) for bans in self.bans.all())

    def more(self) -> Sequence[object]:
        """Return the further messages for a worker that begins."""
        return [message.Watch(True, self._events.wants_sessions)] if self._events.is_watched else []

    @property
    def sockets(self) -> set[SocketKey]:
        """The keys of the listening sockets."""
        return self._process_state.sockets.keys()

    def _changed(self, key: BackendKey, change: Change[BackendServer]) -> None:
        if change.event != "no-server":
            self._workers.send(update_of(key, change.server))

    def _learned(self, frontend: str, capabilities: tuple[bytes, ...]) -> None:
        self._workers.send(message.Learned(frontend, capabilities))

    def _renewed(self, certificates: Certificates) -> None:
        # A worker that begins later has the certificates from before the fork, so it needs the new ones.
        self._number += 1
        self._workers.send(message.Renewed(certificates))

    def _keys_changed(self) -> None:
        self._number += 1
        self._workers.send(message.Tickets(self._process_state.tls.numbers))

    def _enable(self, enabled: message.EnableFrontend) -> None:
        sockets = self._process_state.sockets
        self._workers.send(enabled, [sockets[key].socket.fileno() for key in enabled.sockets])

    def _watch(self, is_on: bool, sessions: bool) -> None:
        self._workers.send(message.Watch(is_on, sessions))

    @property
    def others(self) -> Sequence[Ask]:
        """For each worker, a function that asks it."""
        return [partial(self._workers.ask, member) for member in self._workers.members]

    @property
    def workers_ended(self) -> int:
        """How often a worker has ended that was not asked to."""
        return self._workers.ended

    @property
    def worker_ends(self) -> Sequence[str]:
        """A sentence about each worker that has ended in the last minutes."""
        return self._workers.latest_ends

    def _ask_all(self, question: object) -> Sequence[Deferred[Any]]:
        return [self._workers.ask(member, question) for member in self._workers.members]

    def _trusted(self, profile: str, trust: ClientTrust) -> None:
        self._number += 1
        self._workers.send(message.Trusted(profile, trust))

    def _listed(self, read: ReadList) -> None:
        self._number += 1
        self._workers.send(message.Listed(read))

    # Messages from workers.

    def received(self, report: Any) -> None:
        """Take a message from a worker."""
        match report:
            case message.Event():
                self._events.publish(report)
            case BanRequest():
                self.bans.take(report)
            case message.Missed() | message.Reached():
                self._observed(report)

    def all_lost(self) -> None:
        """End the service: there is no worker, and no forker that can make one."""
        if not self.stop.has_begun:
            self._log.error(
                "mailproxy ends with exit status 1: all workers have ended, and there is no forker to make new ones",
                event="workers-lost",
            )
            self.stop.exit_status = 1
            self.stop.ask()

    def _observed(self, report: message.Missed | message.Reached) -> None:
        key = report.backend, report.protocol
        backend = self._generation.backends.get(key)
        server = None if backend is None else take_report(report, backend, self._loop.poller.look_at_clock())
        if server is not None:
            self._workers.send(update_of(key, server))

    # Start, reload, stop.

    def _report_ready(self) -> None:
        self._workers.start().addCallback(lambda _: super(MainService, self)._report_ready())

    def change_others(self) -> Deferred[Sequence[str]]:
        """Have the workers use the reading; the Deferred has those that cannot, with the reasons."""
        self._number += 1
        return self._workers.read()

    def make_end(self, times: StopTimes) -> SessionsEnd:
        """Return what stops the workers, which end their sessions within these times."""
        return WorkersStop(self._workers, self._generation, self._process_state.sockets, times, self._reactor)

    def reopen_log(self) -> bool:
        """Open log files by their paths again, in all processes; return whether there are any."""
        self._workers.send(message.Reopen())
        return super().reopen_log()
