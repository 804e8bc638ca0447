"""The monitor of a backend's servers: checks, DNS names, and a log line for every change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.logger import Logger

from mailproxy.backend.backend import Backend, nothing
from mailproxy.backend.numbers import CHECK_TIME, CHECKS, DOWNTIMES
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change, Event
from mailproxy.checks.addresses import Addresses
from mailproxy.checks.agent_words import AgentReply
from mailproxy.checks.check import Check
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.pace import Pace
from mailproxy.checks.prober import Prober
from mailproxy.names.slots import Follows
from mailproxy.transport.poller import Poller

Done = Callable[[Outcome | None], object]
"""Called with the outcome of a check; None: there will be none, because the monitor has stopped."""

_WHAT: dict[Event, str] = {
    "up": "is UP",
    "down": "is DOWN",
    "ready": "is ready",
    "drain": "gets no new sessions",
    "maint": "is in maintenance",
    "weight": "has weight {weight:g}",
    "maxconn": "has maxconn {maxconn}",
    "backup": "is a backup",
    "active": "is not a backup",
    "address": "is at {address}",
    "no-address": "has no address",
}


class Monitor:
    """Monitors the servers of one backend for one protocol, from `start` to `stop`."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        backend: Backend,
        make_check: Callable[[BackendServer], Check | None],
        names: Follows | None,
        *,
        clock: Any,
        poller: Poller,
        pace: Pace,
    ) -> None:
        """`make_check` returns a server's check, None for no checks; all probers share a `pace`."""
        self.backend = backend
        self._addresses = Addresses(backend, names, poller)
        self._poller = poller
        self._troubled: set[BackendServer] = set()
        self._asking: dict[BackendServer, list[Done]] = {}
        """The callbacks for the outcome of a server's check."""
        self._probers: dict[BackendServer, Prober] = {}
        for server in backend.pool.servers:
            check = make_check(server)
            if check is not None:
                ended = partial(self._ended, server)
                self._probers[server] = Prober(
                    server, server.origin.settings.check, check, ended, clock=clock, pace=pace
                )

    def start(self) -> None:
        """Begin to check, and to look names up."""
        self.backend.check_soon = self._check_soon
        self.backend.observers.append(self._changed)
        self._addresses.start()
        for prober in self._probers.values():
            prober.start()

    def stop(self) -> None:
        """Stop checks and look-ups."""
        if self._changed in self.backend.observers:
            self.backend.observers.remove(self._changed)
            self.backend.check_soon = nothing
        for prober in self._probers.values():
            prober.stop()
        self._probers.clear()
        while self._asking:
            self._answer(next(iter(self._asking)), None)
        self._addresses.stop()

    # Checks.

    def _check_soon(self, server: BackendServer) -> None:
        prober = self._probers.get(server)
        if prober is not None:
            prober.check_soon()

    def check_now(self, server: BackendServer, done: Done) -> str:
        """
        Check a server at once, and call `done` with the outcome; return "", or the reason why it cannot be checked.
        """
        prober = self._probers.get(server)
        if prober is None:
            return 'is not checked: its check has type = "none"'
        if server.state == "maint":
            return "is in maintenance, and not checked until its state is ready or drain"
        if server.target is None:
            return "has no address to check"
        self._asking.setdefault(server, []).append(done)
        prober.check_now()
        return ""

    def _answer(self, server: BackendServer, outcome: Outcome | None) -> None:
        for done in self._asking.pop(server, ()):
            done(outcome)

    def _ended(self, server: BackendServer, outcome: Outcome) -> None:
        pool = self.backend.pool
        now = self._poller.look_at_clock()
        self._count(server, outcome)
        if outcome.agent is not None:
            self._obey(server, outcome.agent, now)
        if outcome.ok:
            pool.passed(server, now, outcome.reason)
        else:
            pool.failed(server, now, f"{outcome.reason}, after {outcome.seconds * 1000:.0f} ms")
        self._note_trouble(server, outcome)
        self._answer(server, outcome)

    def _count(self, server: BackendServer, outcome: Outcome) -> None:
        result = "misconfigured" if outcome.is_misconfigured else "passed" if outcome.ok else "failed"
        server.numbers[CHECKS[result]] += 1
        CHECK_TIME.count(server.numbers, outcome.seconds)

    def _obey(self, server: BackendServer, reply: AgentReply, now: float) -> None:
        """Apply the settings of a server's agent."""
        pool = self.backend.pool
        reason = f"its agent says {reply}"
        if reply.admin is not None:
            pool.set_agent_state(server, reply.admin, now, reason)
        if reply.weight is not None:
            pool.set_weight(server, min(reply.weight, 256), now, reason)
        elif reply.percent is not None:
            pool.set_weight(server, min(server.weight * reply.percent / 100, 256), now, reason)
        if reply.maxconn is not None:
            pool.set_maxconn(server, reply.maxconn, now, reason)

    def _note_trouble(self, server: BackendServer, outcome: Outcome) -> None:
        """Log once when a check's own account fails, and once when it works again."""
        if outcome.is_misconfigured == (server in self._troubled):
            return
        if outcome.is_misconfigured:
            self._troubled.add(server)
            text = (
                "server {backend}/{server} {protocol}: the check is misconfigured, the server is not at fault: {reason}"
            )
        else:
            self._troubled.discard(server)
            text = "server {backend}/{server} {protocol}: the check works again: {reason}"
        self._log.warn(
            text,
            event="check",
            backend=self.backend.name,
            server=server.name,
            protocol=self.backend.protocol,
            reason=outcome.reason,
        )

    # Changes.

    def _changed(self, change: Change[BackendServer]) -> None:
        server = change.server
        if change.event == "down":
            server.numbers[DOWNTIMES] += 1
        fields = {
            "backend": self.backend.name,
            "protocol": self.backend.protocol,
            "reason": change.reason,
            "log_because": f": {change.reason}" if change.reason else "",
            "active": change.active,
            "backups": change.backup,
            "sessions": change.sessions,
            "log_sessions": "session" if change.sessions == 1 else "sessions",
            "queued": change.queued,
        }
        if change.event == "no-server":
            self._log.error("backend {backend} {protocol} has no server left{log_because}", event="no-server", **fields)
            return
        target = server.target
        what = _WHAT[change.event].format(weight=server.asked_weight, maxconn=server.asked_maxconn, address=target)
        log = self._log.warn if change.event in ("down", "no-address") else self._log.info
        log(
            "server {backend}/{server} {protocol} {log_what}{log_because}; {active} active and {backups} backup "
            "servers left, {sessions} {log_sessions}, {queued} queued",
            event="server",
            server=server.name,
            state=change.event,
            log_what=what,
            **fields,
        )
