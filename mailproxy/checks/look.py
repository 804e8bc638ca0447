"""
A first look at each server: does it understand the PROXY header?

A server that does not understand it still greets, and then answers the header's bytes as commands: clients would get
its errors. The check ``mail`` detects that each time. Servers with another check, or none, get one such check.
"""

from __future__ import annotations

from functools import partial

from twisted.logger import Logger

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.checks.check import BEGINNING, ConnectionCheck, Run
from mailproxy.checks.header import check_header
from mailproxy.checks.mail import mail_probes
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.timeouts import Timeouts
from mailproxy.mail.greeting import server_speaks_first
from mailproxy.profiles import PROFILES
from mailproxy.transport.poller import Poller


class FirstLook:
    """Checks once each server of a backend that has no check of type ``mail``, from `start` to `stop`."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, backend: Backend, *, poller: Poller, timeouts: Timeouts) -> None:
        self._backend = backend
        self._due: set[BackendServer] = set()
        self._runs: dict[BackendServer, Run] = {}
        settings = backend.settings
        if settings.send_proxy == "none" or not server_speaks_first(backend.protocol):
            return
        self._due = {server for server in backend.pool.servers if _is_due(server.origin.settings.check)}
        self._check = ConnectionCheck(
            mail_probes(backend.protocol, PROFILES[settings.profile].takes_headers),
            check_header("local", settings.send_proxy, backend.header, None),
            backend.connect_seconds,
            poller=poller,
            timeouts=timeouts,
        )

    def start(self) -> None:
        """Check the servers with known addresses, and the others when they get one."""
        if self._due:
            self._backend.observers.append(self._changed)
        for server in list(self._due):
            self._look(server)

    def stop(self) -> None:
        """Stop checking."""
        if self._changed in self._backend.observers:
            self._backend.observers.remove(self._changed)
        self._due.clear()
        while self._runs:
            self._runs.popitem()[1].cancel()

    def _changed(self, change: Change[BackendServer]) -> None:
        if change.event == "address" and change.server in self._due:
            self._look(change.server)

    def _look(self, server: BackendServer) -> None:
        if server.target is not None:
            self._due.discard(server)
            self._runs[server] = BEGINNING
            run = self._check.begin(server.target, partial(self._seen, server))
            if server in self._runs:
                self._runs[server] = run

    def _seen(self, server: BackendServer, outcome: Outcome) -> None:
        del self._runs[server]
        if outcome.ignores_header:
            self._log.warn(
                "server {backend}/{server} {protocol} {reason}",
                event="header",
                backend=self._backend.name,
                server=server.name,
                protocol=self._backend.protocol,
                reason=outcome.reason,
            )


def _is_due(check: config.Check) -> bool:
    """
    Return whether a server gets this check: its own check does not send a header to the clients' port and read the
    answer.
    """
    sees = check.type == "mail" and check.header != "none" and check.port is None and check.address is None
    return check.has_first_look and not sees
