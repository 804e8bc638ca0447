"""
The steps of a reload: a thread reads the files, and then the service changes to them in one turn of the reactor.

A configuration that cannot be used changes nothing. The log has the changes, or the reasons why there are none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred, TimeoutError, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.config import Config, ConfigError
from mailproxy.config.difference import Difference, differences_since, with_details
from mailproxy.front.background_thread import BackgroundThread
from mailproxy.front.generation import Generation
from mailproxy.front.process_state import ProcessState
from mailproxy.front.reading import ReadConfiguration, read
from mailproxy.front.reload_queue import HalfReloaded, Reloaded, ReloadQueue, ReloadRefused
from mailproxy.front.renewals import Renewals
from mailproxy.front.sockets import StartError
from mailproxy.front.stop import Stop
from mailproxy.front.supervisor import Supervisor
from mailproxy.tls.renewed import in_words

# A reload is given up after this time: a file may be on a disk that does not answer.
READ_SECONDS = 300.0


class Reloadable(Protocol):
    """The service, as a reload uses it."""

    running: int
    stop: Stop
    supervisor: Supervisor
    renewals: Renewals
    warnings: tuple[str, ...]
    """The warnings about the current configuration."""

    @property
    def source(self) -> str:
        """The path of the configuration file."""

    @property
    def started(self) -> Config:
        """The configuration that the process started with."""

    @property
    def process_state(self) -> ProcessState:
        """The objects that live as long as the process."""

    @property
    def generation(self) -> Generation:
        """The current generation."""

    def change_to(self, reading: ReadConfiguration) -> None:
        """Replace the current reading of the configuration, or raise and change nothing."""

    def follow_change(self, previous: Generation, reading: ReadConfiguration, renewed: int) -> None:
        """
        Have the other parts of the process use the new reading.

        `renewed` is how often certificates had been renewed when the reading began.
        """

    def change_others(self) -> Deferred[Sequence[str]]:
        """Have the other processes of the service use the reading; the Deferred has those that cannot, with reasons."""


class Reloading:
    """Reloads the configuration of a service (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        service: Reloadable,
        background: BackgroundThread,
        reactor: Any,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._background = background
        self._reactor = reactor
        self.wall = wall
        """The clock of `last_success`."""
        # The working directory may be another one later.
        self._file = os.path.abspath(service.source)
        self._reloads = ReloadQueue(self._reload)
        self.succeeded = 0
        self.failed = 0
        """The reloads that failed; each left all or some processes with the previous configuration."""
        self.is_ok = True
        """False if the latest reload failed."""
        self.problem = ""
        """Why it failed, in one line, with the first of several problems; empty if it did not."""
        self.began: float | None = None
        """When the current reload began, on the reactor's clock; None if there is none."""
        self.ended: float | None = None
        """When the latest reload ended, on the reactor's clock; None if there was none."""
        self.last_success = wall()
        """When the configuration in use was read, in seconds since 1970."""

    @property
    def state(self) -> str:
        """``running``, or how the latest reload ended: ``success``, ``failure``, or ``none`` if there was none."""
        if self.began is not None:
            return "running"
        return "none" if self.ended is None else "success" if self.is_ok else "failure"

    def ask(self) -> Deferred[Reloaded]:
        """Reload, now or after the current reload; the Deferred fails if the reload does."""
        if not self._service.running:
            return fail(ReloadRefused("mailproxy is not running: it is starting or stopping"))
        return self._reloads.ask()

    def close(self) -> None:
        """Refuse further reloads, as the service stops."""
        self._reloads.close("mailproxy stops")

    def _reload(self) -> Deferred[Reloaded]:
        self.began = self._reactor.seconds()
        self._log.info("reading {configuration} again", event="reload", configuration=self._file)
        self._service.supervisor.reloading()
        renewed = self._service.renewals.renewed
        reloaded: Deferred[Reloaded] = self._read().addCallback(self.take_up, renewed)
        return reloaded.addErrback(self._refuse).addBoth(self._over)

    def _read(self) -> Deferred[ReadConfiguration]:
        state = self._service.process_state
        reading = self._background.do(partial(read, self._file, state.tls, state.certificates, dict(state.lists.known)))
        return reading.addTimeout(READ_SECONDS, self._reactor)

    def take_up(self, reading: ReadConfiguration, renewed: int = 0) -> Deferred[Reloaded]:
        """
        Replace the current reading of the configuration, or raise and change nothing.

        `renewed` is how often certificates had been renewed when the reading began.
        """
        service = self._service
        if not service.running:
            raise ReloadRefused("mailproxy stops")
        previous, known = service.generation, service.warnings
        differences = self._differences(reading)
        service.change_to(reading)
        self._log_changes(differences)
        service.follow_change(previous, reading, renewed)
        for warning in reading.warnings:
            if warning not in known:
                self._log.warn("{warning}", event="warning", warning=warning)
        return service.change_others().addCallback(self._changed, Reloaded(differences, reading.warnings))

    def _differences(self, reading: ReadConfiguration) -> tuple[Difference, ...]:
        """Return the changes of a reading; those that need a restart are returned until there was one."""
        service = self._service
        renewed = ((f"tls {profile}", in_words(found)) for profile, found in reading.renewed.items())
        return with_details(differences_since(service.started, service.generation.settings, reading.settings), renewed)

    def _log_changes(self, differences: Iterable[Difference]) -> None:
        for difference in differences:
            log = self._log.warn if difference.needs_restart else self._log.info
            when = ", which takes effect when mailproxy is restarted" if difference.needs_restart else ""
            log("{change}{log_when}", event="change", change=str(difference), log_when=when)

    def _changed(self, behind: Sequence[str], reloaded: Reloaded) -> Reloaded:
        if behind:
            raise HalfReloaded("; ".join(behind))
        self._log.info("reloaded", event="reloaded", changes=len(reloaded.differences))
        return reloaded

    def _refuse(self, failure: Failure) -> Failure:
        """Log why a reload was refused."""
        error = failure.value
        if isinstance(error, TimeoutError):
            error = ReloadRefused(f"{self._file}: reading it, and what it names, took longer than {READ_SECONDS:g} s")
        if isinstance(error, HalfReloaded):
            self._log.error("{problem}", event="problem", problem=str(error))
            return failure
        if not isinstance(error, ConfigError | StartError | ReloadRefused):
            self._log.failure("bug in a reload", failure)
            return failure
        self._log.error("nothing is reloaded: the configuration cannot be used", event="reload-refused")
        for line in str(error).splitlines():
            self._log.error("{problem}", event="problem", problem=line)
        return Failure(error)

    def _over(self, result: Reloaded | Failure) -> Reloaded | Failure:
        self.is_ok = not isinstance(result, Failure)
        self.began, self.ended = None, self._reactor.seconds()
        if isinstance(result, Failure):
            self.failed += 1
            self.problem = _in_one_line(result)
        else:
            self.succeeded += 1
            self.problem = ""
            self.last_success = self.wall()
        if not self._service.stop.has_begun:
            self._service.supervisor.ready()
        return result


def _in_one_line(failure: Failure) -> str:
    # The log has the other problems.
    error = failure.value
    if isinstance(error, ConfigError) and len(error.problems) > 1:
        return f"{error.source}: {len(error.problems)} problems, the first: {error.problems[0]}"
    return next(iter(str(error).splitlines()), "") or type(error).__name__
