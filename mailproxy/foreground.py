"""
Runs a service in the foreground, with workers or without: the steps before its reactor, and those after.

All that may fail, and all that needs the rights of root, comes before the reactor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Timer
from typing import TYPE_CHECKING

from attrs import frozen

from mailproxy.config import Config, load
from mailproxy.control.takeover import Takeover, take_over
from mailproxy.front.prepare import Prepared, prepare
from mailproxy.process.alone import Alone
from mailproxy.process.identity import find_identity
from mailproxy.signals import Signals
from mailproxy.systemd.handed import Handed

if TYPE_CHECKING:
    from mailproxy.log import ServiceLog
    from mailproxy.process.start import Processes

SILENCE_SECONDS = 1.0
"""How long an administrator is left without a word of what a start waits for."""


@frozen
class Ready:
    """A process that has its sockets, and lacks a reactor."""

    prepared: Prepared
    processes: Alone | Processes
    signals: Signals
    handed: Handed
    takeover: Takeover | None


def make_ready(file: str, handed: Handed, *, takes_over: bool) -> Ready:
    """
    Take the steps before the reactor, with the configuration in a file and the sockets from systemd.

    With `takes_over`, the listening sockets are those of the service that runs. Raises `ConfigError`, `StartError` or,
    if that service does not hand them over, `NoService`.
    """
    signals = Signals()
    settings = load(file)
    processes = make_processes(settings)
    identity = find_identity(settings)
    prepared = prepare(settings, file, processes.process_state)
    # Before sockets are opened: they would stay open in the forker after the service closes them.
    processes.fork(prepared, handed.sockets, identity)
    handed.lend_to(prepared.process_state.sockets.source)
    takeover: Takeover | None = None
    if takes_over:
        with print_if_slow(f"waiting for the service behind {prepared.settings.admin.socket} to hand over its sockets"):
            takeover = take_over(prepared)
    # Installed before there are socket files that a signal could leave behind.
    signals.install()
    with nullcontext() if identity is None else identity.making_files():
        prepared.bind()
    prepared.process_state.close_offered()
    if takeover is None:
        # Including sockets that the previous process left.
        prepared.process_state.share_sockets(with_others=False)
    if identity is not None:
        identity.become(processes.capabilities)
    return Ready(prepared, processes, signals, handed, takeover)


def serve(ready: Ready) -> int:
    """Make the reactor, and serve until the service has stopped; return its exit status."""
    # The reactor has to be installed before anything imports it.
    from mailproxy.transport.reactor import install

    reactor = install()

    from twisted.logger import globalLogBeginner

    from mailproxy.control.summary import summary
    from mailproxy.front.collector import quiet_collector
    from mailproxy.systemd.reports import make_reports

    log = make_log(ready.prepared.settings)
    service = ready.processes.service(ready.prepared, reactor)
    ready.signals.attach(reactor, service)
    service.process_log = log
    sockets = service.process_state.sockets
    reports = make_reports(
        reactor, bounds=lambda: sockets.bounds, summary=lambda: summary(service), stored=ready.handed.stored
    )
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    if reports is not None:
        service.supervisor = reports
        reports.begin()
        reactor.addSystemEventTrigger("after", "shutdown", reports.close)
    reactor.callWhenRunning(service.startService)
    if ready.takeover is not None:
        previous = ready.takeover
        reactor.callWhenRunning(service.takeover_end.begin, previous.process, previous.finish, previous.inherited)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.addSystemEventTrigger("after", "shutdown", log.close)
    quiet_collector()
    reactor.run()
    return service.stop.exit_status


@contextmanager
def print_if_slow(text: str, after: float = SILENCE_SECONDS) -> Iterator[None]:
    """Print what a step waits for, once, if it takes longer than `after` seconds."""
    timer = Timer(after, print, (text,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # the process becomes another user before it has threads


def make_processes(settings: Config) -> Alone | Processes:
    """Make the processes of a service; one without workers does not import what they tell each other."""
    if not settings.workers:
        return Alone()
    from mailproxy.process.start import Processes

    return Processes(settings.workers, make_log)


def make_log(settings: Config) -> ServiceLog:
    """Make the log of a process of the service."""
    from mailproxy.log import ServiceLog

    return ServiceLog(sys.stdout, settings)
