"""Runs the service in the foreground, until a signal or `mailproxy ctl` stops it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Timer
from typing import TYPE_CHECKING, Any

from mailproxy.config import DEFAULT_FILE, Config, ConfigError, load

if TYPE_CHECKING:
    from mailproxy.front.sockets import Sockets
    from mailproxy.log import ServiceLog
    from mailproxy.process.start import Processes
    from mailproxy.service import ProxyService
    from mailproxy.systemd.handed import Handed, Stored
    from mailproxy.systemd.reports import Reports

SILENCE_SECONDS = 1.0
"""How long an administrator is left without a word of what a start waits for."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "-c", "--config", default=DEFAULT_FILE, metavar="FILE", help="configuration (default %(default)s)"
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="take the listening sockets of the running service, which then leaves; FILE names its admin socket",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or SIGQUIT; return 1 if the service cannot start, or fails."""
    from mailproxy.systemd.handed import take_handed

    # Before anything imports Twisted's endpoints, which take what the environment says for themselves.
    handed = take_handed()

    from mailproxy.control.call import NoService
    from mailproxy.control.takeover import Takeover, take_over
    from mailproxy.front.prepare import prepare
    from mailproxy.front.sockets import StartError
    from mailproxy.process.identity import CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE, find_identity
    from mailproxy.signals import Signals

    signals = Signals()
    takeover: Takeover | None = None
    try:
        settings = load(arguments.config)
        processes = make_processes(settings) if settings.workers else None
        identity = find_identity(settings)
        prepared = prepare(settings, arguments.config, None if processes is None else processes.process_state)
        if processes is not None:
            # Fork before sockets are opened: they would stay open in the forker after the service closes them.
            processes.fork(prepared, handed.sockets, identity)
        elif identity is not None:
            identity.check_modules()
        lend(handed, prepared.process_state.sockets)
        if arguments.take_over:
            with telling(f"waiting for the service behind {prepared.settings.admin.socket} to hand over its sockets"):
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
            # Clients do not get to the main process: it may read keys that only root may.
            identity.become([CAP_NET_BIND_SERVICE] + ([CAP_DAC_READ_SEARCH] if processes else []))
    except (ConfigError, StartError, NoService) as error:
        print(error, file=sys.stderr)
        return 1

    # The reactor has to be installed before anything imports it.
    from mailproxy.transport.reactor import install

    reactor = install()

    from twisted.logger import globalLogBeginner

    from mailproxy.front.collector import quiet_collector
    from mailproxy.service import ProxyService

    log = make_log(settings)
    service = ProxyService(prepared, reactor) if processes is None else processes.service(prepared, reactor)
    signals.attach(reactor, service)
    service.process_log = log
    reports = make_reports(service, handed.stored, reactor)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    if reports is not None:
        service.supervisor = reports
        reports.begin()
        reactor.addSystemEventTrigger("after", "shutdown", reports.close)
    reactor.callWhenRunning(service.startService)
    if takeover is not None:
        reactor.callWhenRunning(service.succession.begin, takeover.process, takeover.finish, takeover.inherited)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.addSystemEventTrigger("after", "shutdown", log.close)
    quiet_collector()
    reactor.run()
    return service.stop.exit_status


@contextmanager
def telling(words: str, after: float = SILENCE_SECONDS) -> Iterator[None]:
    """Print what a step waits for, once, if it takes longer than `after` seconds."""
    timer = Timer(after, print, (words,), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # the process becomes another user before it has threads


def lend(handed: Handed, sockets: Sockets) -> None:
    """Listen on what systemd has handed over, where the configuration wants it."""
    for name, sock in handed.units:
        sockets.lend(name, sock)
    sockets.offer(one.socket for one in handed.stored if one.is_reachable)


def make_reports(service: ProxyService, stored: Sequence[Stored], reactor: Any) -> Reports | None:
    """Make what tells systemd of the service; None if systemd does not ask for it."""
    from mailproxy.control.summary import summary
    from mailproxy.systemd.environment import notify_address, watchdog_seconds
    from mailproxy.systemd.notifier import Notifier
    from mailproxy.systemd.reports import Reports

    address = notify_address(os.environ)
    if address is None:
        return None
    return Reports(
        Notifier(address, reactor),
        reactor,
        bounds=lambda: service.process_state.sockets.bounds,
        summary=lambda: summary(service),
        watchdog=watchdog_seconds(os.environ, os.getpid()),
        stored=stored,
    )


def make_processes(settings: Config) -> Processes:
    """Make the processes of a service with workers; one without does not import what they tell each other."""
    from mailproxy.process.start import Processes

    return Processes(settings.workers, make_log)


def make_log(settings: Config) -> ServiceLog:
    """Make the log of a process of the service."""
    from mailproxy.log import ServiceLog

    return ServiceLog(sys.stdout, settings)
