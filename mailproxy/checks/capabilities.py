"""
Learning what the servers of a backend offer, so that mailproxy can announce it before STARTTLS.

A server is asked on the way that clients take: the same address, a PROXY header by the same rules. The header tells of
a client from elsewhere, from an address for documentation: a server may offer more to a client on its own machine. For
clients that will be on TLS it says TLS, because servers offer more then.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.checks.header import LIKE_TLS, foreign_header
from mailproxy.checks.timeouts import Timeouts
from mailproxy.checks.visit import Visit, Visited
from mailproxy.config.model import NamedServer
from mailproxy.mail.advice import header_ignored, likely_cause
from mailproxy.mail.probe import CapabilityProbe
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.profiles import PROFILES
from mailproxy.transport.poller import Poller

# A backend of which nothing is known is asked again so soon: it may just be starting.
RETRY_SECONDS = 10.0


@frozen
class Lesson:
    """What one server said it offers; without capabilities, why it did not."""

    server: str
    capabilities: tuple[bytes, ...] | None
    failure: str = ""
    still_offers_starttls: bool = False
    takes_passwords: bool = False
    """True if it offers to take passwords from clients in clear."""


async def ask(
    backend: Backend,
    server: BackendServer,
    protocol: str,
    host: str,
    *,
    with_tls: bool,
    poller: Poller,
    timeouts: Timeouts,
) -> Lesson:
    """Ask one server what it offers to clients with or without TLS, within the backend's connect deadline."""
    if server.target is None:
        return Lesson(server.name, None, f"DNS has no address for {_name(server)}; is the name right?")
    header = foreign_header(backend.header, LIKE_TLS if with_tls else None)
    probe = CapabilityProbe(protocol, host.encode())
    seconds = backend.connect_seconds
    over: Deferred[Visited] = Deferred(lambda _: visit.cancel())
    visit = Visit(server.target, header, probe, seconds, over.callback, poller=poller, timeouts=timeouts)
    visit.begin()
    visited = await over
    if probe.capabilities is not None:
        return Lesson(
            server.name,
            probe.capabilities,
            "",
            still_offers_starttls=with_tls and probe.still_offers_starttls,
            takes_passwords=not with_tls and PROTOCOLS[protocol].takes_passwords(probe.capabilities),
        )
    if probe.misunderstood is not None and backend.settings.send_proxy != "none":
        remedy = PROFILES[backend.settings.profile].takes_headers
        return Lesson(server.name, None, header_ignored(probe.misunderstood, remedy))
    late = f"no list within {seconds:g} s" if visited.is_late and visited.stage == "talk" else visited.failure
    failure = probe.failure or late
    if visited.stage != "talk":
        return Lesson(server.name, None, failure)
    cause = likely_cause(
        probe.said,
        is_closed=not visited.is_late,
        sent_header=backend.settings.send_proxy != "none",
        distrusts=PROFILES[backend.settings.profile].distrusts,
    )
    return Lesson(server.name, None, f"{failure}; {cause}" if cause else failure)


def _name(server: BackendServer) -> str:
    """Return the host name that a server has in the configuration."""
    address = server.origin.settings.address
    return address.host if isinstance(address, NamedServer) else str(address)


class Learner:
    """Keeps learning what a backend offers in one protocol, and tells it on; the last good answer stays."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        backend: Backend,
        protocol: str,
        host: str,
        *,
        with_tls: bool,
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
        self._interval = interval
        self._learned = learned
        self._poller = poller
        self._timeouts = timeouts
        self._known: Lesson | None = None
        self._failures: tuple[str, ...] = ()
        self._loop = LoopingCall(self._learn)
        self._loop.clock = clock
        backend.listeners.append(self._changed)

    def start(self) -> None:
        """Ask now, and from time to time."""
        self._loop.start(min(self._interval, RETRY_SECONDS), now=True)

    def stop(self) -> None:
        """Ask no more."""
        if self._loop.running:
            self._loop.stop()
            self._asking.cancel()

    def _changed(self, change: Change[BackendServer]) -> None:
        """Ask at once when a server has come (back): it may offer something else than before."""
        if change.event in ("up", "address") and self._loop.running and self._asking.called:
            self._loop.stop()
            self.start()

    def _learn(self) -> Deferred[None]:
        self._asking = Deferred.fromCoroutine(self._ask_around())
        return self._asking.addErrback(lambda failure: failure.trap(CancelledError))  # by `stop`

    async def _ask_around(self) -> None:
        """Take the first answer that there is, of servers that get clients before the others."""
        failures = []
        for server in sorted(self._backend.pool.servers, key=lambda server: not server.is_usable):
            lesson = await ask(
                self._backend,
                server,
                self._protocol,
                self._host,
                with_tls=self._with_tls,
                poller=self._poller,
                timeouts=self._timeouts,
            )
            if lesson.capabilities is not None:
                self._loop.interval = self._interval
                self._failures = ()
                self._take(lesson, lesson.capabilities)
                return
            failures.append(f"server {lesson.server}: {lesson.failure}")
        self._loop.interval = min(self._interval, RETRY_SECONDS)
        self._give_up(tuple(failures))

    def _give_up(self, failures: tuple[str, ...]) -> None:
        """Say once why nothing was learned, and again when the reasons change."""
        if failures == self._failures:
            return
        self._failures = failures
        self._log.warn(
            "backend {backend} does not say what it offers {protocol} clients: {reason}",
            event="not-learned",
            backend=self._backend.name,
            protocol=self._protocol,
            reason="; ".join(failures),
        )

    def _take(self, lesson: Lesson, capabilities: tuple[bytes, ...]) -> None:
        if self._known is not None and self._known.capabilities == capabilities:
            return
        self._known = lesson
        self._learned(capabilities)
        self._log.info(
            "backend {backend} offers {protocol} clients {count} capabilities, by server {server}",
            event="learned",
            backend=self._backend.name,
            protocol=self._protocol,
            count=len(capabilities),
            server=lesson.server,
        )
        if lesson.still_offers_starttls:
            self._log.warn(
                "backend {backend}, server {server}: {advice}",
                event="advice",
                backend=self._backend.name,
                server=lesson.server,
                advice=STARTTLS_ADVICE,
            )


CLEAR_ADVICE = (
    "offers to take passwords from clients in clear; set ssl = required on Dovecot 2.4, disable_plaintext_auth = yes "
    'on Dovecot 2.3, smtpd_tls_auth_only = yes on Postfix, or tls = "starttls" for the frontend'
)
STARTTLS_ADVICE = (
    "still offers STARTTLS to clients that are on TLS already; set ssl = no on Dovecot 2.3's listener for mailproxy, "
    "or whatever turns TLS off there"
)
