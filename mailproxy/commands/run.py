"""Runs the service in the foreground, until a signal or `mailproxy ctl` stops it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mailproxy.config import DEFAULT_FILE, Config, ConfigError, load

if TYPE_CHECKING:
    from mailproxy.log import ServiceLog


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "-c", "--config", default=DEFAULT_FILE, metavar="FILE", help="configuration (default %(default)s)"
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="take the listening sockets of the mailproxy that runs, by the admin socket of FILE, and let it leave",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or SIGQUIT; return 1 if the service cannot start, or fails."""
    from mailproxy.control.call import NoService
    from mailproxy.control.takeover import Takeover, take_over
    from mailproxy.front.prepare import prepare
    from mailproxy.front.sockets import StartError
    from mailproxy.process.start import Workers
    from mailproxy.signals import Signals

    signals = Signals()
    takeover: Takeover | None = None
    try:
        settings = load(arguments.config)
        workers = Workers(settings.workers, make_log) if settings.workers else None
        prepared = prepare(settings, arguments.config, None if workers is None else workers.lasting)
        if workers is not None:
            # Fork before sockets are opened: they would stay open in the forker after the service closes them.
            workers.fork(prepared)
        if arguments.take_over:
            takeover = take_over(prepared)
        # Installed before there are socket files that a signal could leave behind.
        signals.install()
        prepared.bind()
        prepared.lasting.close_offered()
    except (ConfigError, StartError, NoService) as error:
        print(error, file=sys.stderr)
        return 1

    # The reactor has to be installed before anything imports it.
    from mailproxy.transport.reactor import install

    reactor = install()

    from twisted.logger import globalLogBeginner

    from mailproxy.service import ProxyService, quiet_collector

    signals.attach(reactor)
    log = make_log(settings)
    service = ProxyService(prepared, reactor) if workers is None else workers.service(prepared, reactor)
    signals.is_stopping = lambda: service.is_stopping
    signals.stop_now = service.stop_now
    signals.reload = service.reload_unheard
    signals.reopen = service.reopen_log
    service.relog = log.configure
    service.reopen = log.reopen
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    reactor.callWhenRunning(service.startService)
    if takeover is not None:
        reactor.callWhenRunning(service.follow, takeover.process, takeover.finish)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.addSystemEventTrigger("after", "shutdown", log.close)
    quiet_collector()
    reactor.run()
    return service.exit_status


def make_log(settings: Config) -> ServiceLog:
    """Make the log of a process of the service."""
    from mailproxy.log import ServiceLog

    return ServiceLog(sys.stdout, settings)
