"""The service: a configuration running on a reactor."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import asdict
from OpenSSL import SSL
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from mailproxy import __version__
from mailproxy.bans.breadth import BanBreadth
from mailproxy.bans.keeper import BanKeeper
from mailproxy.config import Bans, Config
from mailproxy.control.questions import Ask
from mailproxy.control.takeover_end import TakeoverEnd
from mailproxy.control.watch import LivePublisher
from mailproxy.front.background_thread import BackgroundThread
from mailproxy.front.drains import Drains
from mailproxy.front.frontend import Frontend
from mailproxy.front.generation import Generation
from mailproxy.front.gentle_stop import GentleStop, StopTimes
from mailproxy.front.interpreter import interpreter
from mailproxy.front.kicks import Kicks
from mailproxy.front.live_bytes import LiveBytes
from mailproxy.front.loop import Loop
from mailproxy.front.network_lists import ListWatch
from mailproxy.front.prepare import Prepared, arrange
from mailproxy.front.process_log import NoLog, ProcessLog
from mailproxy.front.process_state import ProcessState
from mailproxy.front.reading import ReadConfiguration
from mailproxy.front.reload_queue import Reloaded
from mailproxy.front.reloading import Reloading
from mailproxy.front.renewals import Renewals
from mailproxy.front.revocations import Revocations
from mailproxy.front.role import ALONE
from mailproxy.front.stop import SessionsEnd, Stop
from mailproxy.front.supervisor import Supervisor, Unsupervised
from mailproxy.front.ticket_keys import TicketKeyChanges
from mailproxy.front.trimming import Trimming
from mailproxy.front.vitals import Vitals
from mailproxy.session.session import Session
from mailproxy.web.admin_access import AdminAccess


class ProxyService(Service):
    """
    The front as a Twisted service: the current generation, which starts and ends with the process.

    `bind` opens the sockets, which may need privileges. Starting the service accepts from them. `reload` reads the
    configuration again and changes what has changed. Stopping the service stops accepting and ends the sessions within
    the configured times (`GentleStop`).
    """

    name = "mailproxy"
    _log = Logger(namespace="mailproxy")

    events: LivePublisher | None = None
    """The source of events for watching administrators; None: this process alone."""

    role = ALONE
    """Which parts of the work this process has; a subclass overrides the methods of a part that it does otherwise."""

    def __init__(self, prepared: Prepared, reactor: Any, stamp: int | None = None) -> None:
        """Set up everything but the sockets; session ids begin with the `stamp`, if there is one."""
        prepared.adopt()
        self._prepared = prepared
        self._process_state = prepared.process_state
        self._reactor = reactor
        self._loop = Loop(reactor, stamp)
        self._generation = self._make_generation(prepared)
        self.began: float | None = None
        """When the service started, by the poller's clock."""
        self.stop = Stop(self, reactor)
        self.warnings = prepared.warnings(datetime.now(UTC)) if self.role.is_main else ()
        """The warnings about the current configuration, one line each."""
        self._started = prepared.settings
        self._background = BackgroundThread(reactor)
        self._admin_access = AdminAccess(self, reactor, self._background)
        self.takeover_end = TakeoverEnd(
            self._background,
            left=self._own_socket_files,
            keeps=self._give_way,
            monotonic=self._loop.poller.look_at_clock,
        )
        """Lets the process leave whose listening sockets this one has taken."""
        self.reloading = Reloading(self, self._background, reactor)
        self.renewals = Renewals(self._process_state, reactor, is_quiet=not self.role.is_main)
        """Serves renewed certificates."""
        self.revocations = Revocations(self._process_state, reactor, self._background)
        self.network_lists = ListWatch(self._process_state.lists, reactor, self._background)
        self.ticket_keys = TicketKeyChanges(self._process_state, reactor)
        self._live_bytes = LiveBytes(lambda: self._generation.sessions, reactor)
        self._trimming = Trimming(lambda: self._process_state.total.live, reactor, self._loop.poller)
        counted, state = self._process_state.counts.process()
        self._vitals = Vitals(counted.numbers, state, lambda: self.process_log.lines_dropped(), reactor)
        self.bans = BanKeeper(
            self._process_state.bans, reactor, self._background.do, monotonic=self._loop.poller.look_at_clock
        )
        """Bans clients; where another process keeps the bans, it only removes those that have ended."""
        self.ban_breadth = BanBreadth(self._process_state.bans, reactor, self._background.do)
        self.kicks = Kicks(lambda: self._generation.sessions, reactor, self._loop.poller)
        self.drains = self._make_drains()
        """Takes one frontend, or one server, out of service."""
        self.process_log: ProcessLog = NoLog()
        """The log of this process, if the process writes it itself."""
        self.supervisor: Supervisor = Unsupervised()
        """Is called when the service is ready, reloads and stops."""

    @property
    def others(self) -> Sequence[Ask]:
        """What asks each other process of this service: there is none."""
        return ()

    @property
    def workers_ended(self) -> int:
        """How often a worker has ended that was not asked to: there is none."""
        return 0

    @property
    def worker_ends(self) -> Sequence[str]:
        """A sentence about each worker that has ended in the last minutes: there is none."""
        return ()

    def _make_drains(self) -> Drains:
        return Drains(lambda: self._generation, self._process_state, self._loop)

    def _make_generation(self, prepared: Prepared) -> Generation:
        """Make the generation of a reading of the configuration."""
        return Generation(prepared, self._loop, self.role)

    @property
    def source(self) -> str:
        """The configuration's file."""
        return self._prepared.source

    @property
    def started(self) -> Config:
        """The configuration that the process started with."""
        return self._started

    @property
    def process_state(self) -> ProcessState:
        """What lasts as long as the process."""
        return self._process_state

    @property
    def loop(self) -> Loop:
        """What the process has on its reactor."""
        return self._loop

    @property
    def generation(self) -> Generation:
        """The reading of the configuration that is at work."""
        return self._generation

    @property
    def frontends(self) -> list[Frontend]:
        """The frontends of the configuration, in its order."""
        return self._generation.frontends

    @property
    def sessions(self) -> Iterator[Session]:
        """Every session that lives, those of earlier readings of the configuration too."""
        return self._generation.sessions

    @property
    def listening(self) -> list[socket.socket]:
        """All sockets that this listens on, the one for administrators included."""
        return [*self._process_state.sockets.sockets, *self._process_state.admin.sockets]

    def bind(self) -> None:
        """Open every listening socket; `StartError` with each that cannot be opened, and then none stays open."""
        self._prepared.bind()

    def startService(self) -> None:
        """Begin to accept."""
        super().startService()
        self._loop.start()
        self._vitals.start()
        if self.role.is_main:
            self._introduce()
        for warning in self.warnings:
            self._log.warn("{warning}", event="warning", warning=warning)
        self.bans.start(self._prepared.settings.bans if self.role.is_main else Bans())
        self._generation.start()
        if self.role.accepts:
            self._live_bytes.start()
            self._trimming.start()
        self.began = self._loop.poller.look_at_clock()
        if self.role.is_main:
            self._open_admin_access()
            self.renewals.start(self._prepared.settings)
            self.ticket_keys.start()
            self.revocations.follow(self._prepared.settings, self._prepared.files.trusts)
            self._follow_lists(self._prepared.settings)
            self.ban_breadth.start()
            self._report_ready()

    def _report_ready(self) -> None:
        self._log.info("ready", event="ready")
        self.supervisor.ready()

    def _own_socket_files(self) -> None:
        """Take over the files of sockets: the process that had them before leaves."""
        if not self.stop.has_begun:
            self._process_state.share_sockets(with_others=False)

    def _give_way(self) -> None:
        """Leave, with exit status 1: the process that had the sockets before continues to accept."""
        self.stop.exit_status = 1
        self.stop.leave(self.stop.times_to_leave())

    def _open_admin_access(self) -> None:
        self._admin_access.open(self._generation.settings.admin, self._prepared.files.http)

    def _introduce(self) -> None:
        """Log the facts that an admin, or the reader of a bug report, needs first."""
        self._log.info(
            "mailproxy {version} starts: pid {pid}, Python {python}, {openssl}, configuration {configuration}, "
            "maxconn {maxconn}, {descriptors} descriptors",
            event="start",
            version=__version__,
            pid=os.getpid(),
            python=interpreter(),
            openssl=SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii"),
            configuration=os.path.abspath(self._prepared.source),
            maxconn=self._process_state.total.maximum,
            descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        )

    # Reload.

    def reload(self) -> Deferred[Reloaded]:
        """
        Read the configuration and its files again, and apply the changes; the Deferred fires with them.

        An unusable configuration changes nothing, and all its problems are logged: the Deferred fails with
        `ConfigError`, `StartError` for a socket that cannot be opened, or `ReloadRefused`. Sessions keep their
        settings. Reloads run one at a time; requests meanwhile become one reload.
        """
        return self.reloading.ask()

    def reopen_log(self) -> bool:
        """Open log files again, because they were renamed; return whether there are any."""
        return self.process_log.reopen()

    def change_to(self, reading: ReadConfiguration) -> None:
        """Replace the current reading of the configuration, or raise and change nothing."""
        prepared = arrange(reading.settings, reading.source, reading.files, self._process_state)
        if self.role.is_main:
            prepared.bind()
        generation = self._make_generation(prepared)
        prepared.adopt()
        generation.start(after=self._generation)
        self._prepared, self._generation, self.warnings = prepared, generation, reading.warnings
        if self.role.is_main:
            self._open_admin_access()
        self.process_log.configure(reading.settings)

    def follow_change(self, previous: Generation, reading: ReadConfiguration, renewed: int) -> None:
        """
        Have the other parts of the process use the new reading.

        `renewed` is how often certificates had been renewed when the reading began.
        """
        names = {frontend.name for frontend in self.frontends}
        for frontend in previous.frontends:
            if frontend.name not in names:
                self._log_closed(frontend)
        self.renewals.follow(reading.settings, renewed)
        self.ticket_keys.follow()
        self.revocations.follow(reading.settings, reading.files.trusts)
        self.bans.follow(reading.settings.bans)
        self._follow_lists(reading.settings)

    def _follow_lists(self, settings: Config) -> None:
        """Check the lists of networks of a configuration for changes."""
        exempt = self._process_state.bans.exempt
        self.network_lists.follow(settings.list_files, settings.watch, settings.bans.lists, exempt)

    def change_others(self) -> Deferred[Sequence[str]]:
        """Have the other processes of the service use the reading; there is none."""
        return succeed(())

    # The end.

    def hand_over(self) -> None:
        """Let another process, which has the listening sockets, accept all clients."""
        self._process_state.share_sockets(with_others=True)
        self._admin_access.hand_over()
        self.bans.leave()

    def stopService(self) -> Deferred[None]:
        """Stop accepting and end the sessions politely; the Deferred fires when there are none."""
        super().stopService()
        self.reloading.close()
        self.renewals.stop()
        self.revocations.stop()
        self.network_lists.stop()
        self.drains.stop()
        self.kicks.stop()
        self.ban_breadth.stop()
        self.bans.flush()
        self.ticket_keys.stop()
        return self.stop.end_sessions().addCallback(self._close)

    def make_end(self, times: StopTimes) -> SessionsEnd:
        """Return what ends all sessions within these times."""
        return GentleStop(self._generation, self._process_state.sockets, times, self._loop)

    def _close(self, nothing: None) -> None:
        self._live_bytes.stop()
        self._trimming.stop()
        self._vitals.stop()
        self.bans.stop()
        self._admin_access.close()
        self._loop.stop()
        if self.role.is_main:
            for frontend in self.frontends:
                self._log_closed(frontend)

    def _log_closed(self, frontend: Frontend) -> None:
        self._log.info(
            "frontend {frontend} is closed: {counts}",
            event="closed",
            frontend=frontend.name,
            counts=frontend.counters,
            **asdict(frontend.counters),
        )
