"""The proxy and embedded mail servers on loopback ports, with a certificate made on the spot; no root, nothing else."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def configure(parser: argparse.ArgumentParser) -> None:
    """Take no options."""


def run(arguments: argparse.Namespace) -> int:
    """Demonstrate until SIGINT or SIGTERM; 1 if that cannot start."""
    # The reactor has to be installed before anything imports it.
    from mailproxy.transport.reactor import install

    reactor = install()

    from twisted.internet.defer import ensureDeferred
    from twisted.logger import FilteringLogObserver, LogLevel, LogLevelFilterPredicate, globalLogBeginner
    from twisted.python.failure import Failure

    from mailproxy.demo.stage import Stage
    from mailproxy.log import LineLog
    from mailproxy.service import StartError

    failures: list[Failure] = []

    def fail(failure: Failure) -> None:
        failures.append(failure)
        reactor.stop()

    # Of Twisted, whose factories start and stop, only what is wrong.
    interesting = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    interesting.setLogLevelForNamespace("mailproxy", LogLevel.info)
    log = FilteringLogObserver(LineLog(sys.stdout), [interesting])
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)

    with TemporaryDirectory(prefix="mailproxy-demo-") as folder:
        stage = Stage(Path(folder), reactor, lambda text: print(text, flush=True))
        reactor.callWhenRunning(lambda: ensureDeferred(stage.open()).addErrback(fail))
        reactor.addSystemEventTrigger("before", "shutdown", lambda: ensureDeferred(stage.close()))
        reactor.run()
    for failure in failures:
        failure.trap(OSError, StartError)
        print(failure.getErrorMessage(), file=sys.stderr)
    return 1 if failures else 0
