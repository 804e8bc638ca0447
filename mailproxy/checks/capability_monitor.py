"""Learns a backend's capabilities in one protocol: it asks its servers at intervals."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.checks.advice import STARTTLS_ADVICE, no_login_advice
from mailproxy.checks.capability_query import CapabilityAnswer, CapabilityQuery
from mailproxy.checks.timeouts import Timeouts
from mailproxy.config.place import InetBind
from mailproxy.transport.poller import Poller

# The interval while a backend's capabilities are unknown: it may just be starting.
RETRY_SECONDS = 10.0


class CapabilityMonitor:
    """Learns a backend's capabilities in one protocol and passes them on; the last good answer stays."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        backend: Backend,
        protocol: str,
        host: str,
        *,
        with_tls: bool,
        destination: InetBind | None,
        interval: float,
        learned: Callable[[tuple[bytes, ...]], None],
        clock: IReactorTime,
        poller: Poller,
        timeouts: Timeouts,
    ) -> None:
        self._backend = backend
        self._protocol = protocol
        self._host = host
        self._with_tls = with_tls
        self._destination = destination
        self._interval = interval
        self._learned = learned
        self._poller = poller
        self._timeouts = timeouts
        self._known: CapabilityAnswer | None = None
        self._failures: tuple[str, ...] = ()
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._query: CapabilityQuery | None = None
        self._left: list[BackendServer] = []
        self._asked: list[str] = []
        self._is_asking = False
        self._is_due = False

    def start(self) -> None:
        """Ask now, and then at intervals."""
        self._backend.observers.append(self._changed)
        self._learn()

    def stop(self) -> None:
        """Ask no more."""
        if self._changed in self._backend.observers:
            self._backend.observers.remove(self._changed)
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._query is not None:
            self._query.cancel()
            self._query = None

    def _changed(self, change: Change[BackendServer]) -> None:
        """Ask at once when a server has come up or has an address: its capabilities may have changed."""
        if change.event in ("up", "address") and self._call is not None:
            self._call.cancel()
            self._learn()

    def _learn(self) -> None:
        """Ask one server after the other until one answers; usable servers come first."""
        self._call = None
        self._left = sorted(self._backend.pool.servers, key=lambda server: not server.is_usable)[::-1]
        self._asked = []
        self._go_on()

    def _go_on(self) -> None:
        # An answer may come within the call that asks: then the loop below sends the next query.
        self._is_due = True
        if self._is_asking:
            return
        self._is_asking = True
        try:
            while self._is_due and self._left:
                self._is_due = False
                self._ask(self._left.pop())
        finally:
            self._is_asking = False
        if self._is_due:
            self._give_up(tuple(self._asked))
            self._wait(min(self._interval, RETRY_SECONDS))

    def _ask(self, server: BackendServer) -> None:
        query = self._query = CapabilityQuery(
            self._backend,
            server,
            self._protocol,
            self._host,
            self._answered,
            with_tls=self._with_tls,
            destination=self._destination,
            poller=self._poller,
            timeouts=self._timeouts,
        )
        query.begin()

    def _answered(self, answer: CapabilityAnswer) -> None:
        self._query = None
        if answer.capabilities is None:
            self._asked.append(f"server {answer.server}: {answer.failure}")
            self._go_on()
        else:
            self._failures = ()
            self._take(answer, answer.capabilities)
            self._wait(self._interval)

    def _wait(self, seconds: float) -> None:
        self._call = self._clock.callLater(seconds, self._learn)

    def _give_up(self, failures: tuple[str, ...]) -> None:
        """Log once why the capabilities are unknown, and again when the reasons change."""
        if failures == self._failures:
            return
        self._failures = failures
        self._log.warn(
            "backend {backend} has no known {protocol} capabilities: {reason}",
            event="not-learned",
            backend=self._backend.name,
            protocol=self._protocol,
            reason="; ".join(failures),
        )

    def _take(self, answer: CapabilityAnswer, capabilities: tuple[bytes, ...]) -> None:
        if self._known is not None and self._known.capabilities == capabilities:
            return
        self._known = answer
        self._learned(capabilities)
        self._log.info(
            "backend {backend} offers {count} {protocol} capabilities, as server {server} lists them",
            event="learned",
            backend=self._backend.name,
            protocol=self._protocol,
            count=len(capabilities),
            server=answer.server,
        )
        # Without TLS a server is right to refuse: clients are asked to begin TLS first.
        refused = answer.no_login and self._with_tls
        for advice in (
            STARTTLS_ADVICE if answer.still_offers_starttls else "",
            no_login_advice(answer.no_login, self._backend.settings, with_tls=True) if refused else "",
        ):
            if not advice:
                continue
            self._log.warn(
                "backend {backend}, server {server}: {advice}",
                event="advice",
                backend=self._backend.name,
                server=answer.server,
                advice=advice,
            )
