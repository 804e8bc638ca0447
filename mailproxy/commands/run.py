"""``mailproxy run``: the service in the foreground."""

from __future__ import annotations

import argparse
import sys

from mailproxy.config import DEFAULT_FILE, ConfigError, load


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "-c", "--config", default=DEFAULT_FILE, metavar="FILE", help="configuration (default %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 1 if the service cannot start."""
    try:
        settings = load(arguments.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1

    # The reactor has to be installed before anything imports it.
    from mailproxy.transport.reactor import install

    reactor = install()

    from twisted.logger import globalLogBeginner

    from mailproxy.log import LineLog
    from mailproxy.service import ProxyService, StartError, quiet_collector

    log = LineLog(sys.stdout, settings.log.format, settings.log.level)
    try:
        service = ProxyService(settings, reactor, arguments.config)
        service.bind()
    except (ConfigError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    reactor.callWhenRunning(service.startService)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.addSystemEventTrigger("after", "shutdown", log.close)
    quiet_collector()
    reactor.run()
    return 0
