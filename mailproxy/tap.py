"""
The ``mailproxy`` plugin of ``twistd`` and ``twist``.

Log lines are the same as those of ``mailproxy run``, by the configuration's ``[log]``, unless ``twistd`` logs elsewhere
(``--logfile``, ``--syslog``, ``--logger``).
"""

from __future__ import annotations

import sys
from signal import SIGUSR1
from typing import IO, Any

from twisted.application.service import IService, IServiceCollection
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.python.components import Componentized

from mailproxy.config import DEFAULT_FILE, ConfigError, load
from mailproxy.front.collector import quiet_collector
from mailproxy.front.prepare import prepare
from mailproxy.front.sockets import StartError
from mailproxy.log import ServiceLog
from mailproxy.service import ProxyService
from mailproxy.signals import Signals
from mailproxy.transport.reactor import use_monotonic_clock


class Options(usage.Options):
    """The options of ``twistd -n mailproxy``."""

    optParameters = [["config", "c", DEFAULT_FILE, "The configuration."]]  # noqa: RUF012  # how usage.Options declares


class PluginService(ProxyService):
    """The service as ``twistd`` runs it, with the application's log observer."""

    observer: ILogObserver | None = None

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """Join the application, and set its log observer."""
        if self.observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.observer)  # type: ignore[no-untyped-call]  # Twisted's
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]  # Twisted's


def makeService(options: Options) -> IService:
    """
    Return the service with its sockets open.

    They are opened here since ``twistd`` still has its privileges, and a failure can end the process with one line and
    status 1: ``twist`` has no privileged start, and only logs a failed start.
    """
    from twisted.internet import reactor

    use_monotonic_clock(reactor)
    try:
        settings = load(options["config"])
        if settings.workers:
            sys.exit(
                f"workers: is {settings.workers}; twistd and twist make their reactor before there are workers; start "
                "mailproxy by `mailproxy run`, or write workers = 0"
            )
        if settings.user is not None:
            sys.exit(
                f'user: is "{settings.user}"; `twistd` has --uid and --gid for that, and `twist` nothing; start '
                "mailproxy by `mailproxy run`, or leave the key out"
            )
        prepared = prepare(settings, options["config"])
        chosen: dict[str, Any] = options.parent or {}

        def make_log(stream: IO[str]) -> ServiceLog:
            log = ServiceLog(stream, settings)
            service.process_log = log
            # Both commands end by the signal that stopped them, and write nothing after that.
            reactor.addSystemEventTrigger("after", "shutdown", log.close)
            return log

        service = PluginService(prepared, reactor)
        if "fileLogObserverFactory" in chosen:  # twist
            chosen["fileLogObserverFactory"] = make_log
        signals = Signals()
        # With a log file, twistd rotates it on SIGUSR1.
        signals.install(spare=[SIGUSR1] if chosen.get("logfile") else [])
        signals.attach(reactor, service)
        is_elsewhere = any(chosen.get(option) for option in ("logfile", "syslog", "logger"))
        service.observer = None if is_elsewhere else make_log(sys.stdout)
        service.bind()
        reactor.callWhenRunning(quiet_collector)
    except (ConfigError, StartError) as error:
        sys.exit(str(error))
    return service
