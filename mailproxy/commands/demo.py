"""The proxy and two mail servers on loopback ports, with fresh certificates; it needs no root and no other programs."""

import argparse
import sys
from contextlib import ExitStack
from typing import cast

from mailproxy.demo.ports import BASES, HIGHEST_BASE, LOWEST_BASE, OTHER_PORTS, PortsTaken, choose


def configure(parser: argparse.ArgumentParser) -> None:
    """Name the options."""
    parser.add_argument(
        "--port",
        type=_base,
        metavar="BASE",
        help="listen on BASE + 993, BASE + 143 and so on, below BASE + 7000 "
        f"(default: {' or else '.join(map(str, BASES))})",
    )
    parser.add_argument(
        "--dovecot", action="store_true", help="real servers: this machine's Dovecot 2.3, in a temporary folder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Demonstrate until SIGINT or SIGTERM; 1 if that cannot start."""
    try:
        ports = choose(arguments.port)
    except PortsTaken as error:
        print(f"mailproxy demo: {error}", file=sys.stderr)
        return 1
    # The reactor has to be installed before anything imports it.
    from mailproxy.transport.reactor import install

    reactor = install()

    from twisted.internet.defer import Deferred
    from twisted.internet.error import CannotListenError
    from twisted.logger import FilteringLogObserver, ILogObserver, LogLevel, LogLevelFilterPredicate, globalLogBeginner
    from twisted.python.failure import Failure

    from mailproxy.demo.dovecot import DovecotError, check_installed, dovecot_folder
    from mailproxy.demo.folder import private_folder
    from mailproxy.demo.keys import Keys, has_terminal, single_keys
    from mailproxy.demo.stage import Stage
    from mailproxy.front.sockets import StartError
    from mailproxy.log import LineLog

    failures: list[Failure] = []

    def fail(failure: Failure) -> None:
        failures.append(failure)
        reactor.stop()

    # Ctrl-S in the terminal must not stop anything else.
    output = LineLog(sys.stdout)

    with ExitStack() as stack:
        dovecot = None
        if arguments.dovecot:
            try:
                check_installed()
            except DovecotError as error:
                print(f"mailproxy demo: {error}", file=sys.stderr)
                return 1
            dovecot = stack.enter_context(dovecot_folder())
        folder = stack.enter_context(private_folder(f"mailproxy-demo-{ports.base}"))
        stage = Stage(folder, ports, reactor, output.say, dovecot=dovecot)

        # Only problems of Twisted, not the start and stop of its factories.
        interesting = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
        interesting.setLogLevelForNamespace("mailproxy", LogLevel.info)
        log = LineLog(stack.enter_context((folder / "log").open("w")))
        observers: list[ILogObserver] = [
            FilteringLogObserver(log, [interesting]),
            cast(ILogObserver, stage.observe),
        ]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False)

        has_keys = has_terminal()
        if has_keys:
            stack.enter_context(single_keys())
            reactor.callWhenRunning(Keys, reactor, stage.press)
        reactor.callWhenRunning(lambda: Deferred.fromCoroutine(stage.open(has_keys=has_keys)).addErrback(fail))
        reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(stage.close()))
        for each in (log, output):
            reactor.addSystemEventTrigger("after", "shutdown", each.close)
        reactor.run()
    for failure in failures:
        failure.trap(OSError, CannotListenError, StartError, DovecotError)
        print(f"mailproxy demo: {_in_words(failure.value)}", file=sys.stderr)
    return 1 if failures else 0


def _in_words(error: BaseException | None) -> str:
    """Return the reason why the demo ends, with a hint if a port was taken after it was chosen."""
    from twisted.internet.error import CannotListenError

    from mailproxy.front.sockets import StartError

    is_about_ports = isinstance(error, CannotListenError | StartError)
    return f"{error}; {OTHER_PORTS}" if is_about_ports else str(error)


def _base(text: str) -> int:
    if text.isascii() and text.isdigit() and LOWEST_BASE <= int(text) <= HIGHEST_BASE:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a number from {LOWEST_BASE} to {HIGHEST_BASE}")
