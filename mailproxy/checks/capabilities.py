"""
Learning what the servers of a backend offer, so that mailproxy can announce it before STARTTLS.

A server is asked on the way that clients take: the same address, a PROXY header by the same rules. The header tells of
a client from elsewhere, from an address for documentation: a server may offer more to a client on its own machine. For
clients that will be on TLS it says TLS, because servers offer more then.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.checks.connection import ConnectionEnd, ProbeConnection
from mailproxy.checks.header import LIKE_TLS, foreign_header
from mailproxy.checks.timeouts import Timeouts
from mailproxy.config.place import InetBind, NamedServer
from mailproxy.mail.advice import Way, header_ignored
from mailproxy.mail.probe import CapabilityProbe
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol.options import SSL_OPTIONS
from mailproxy.proxyprotocol.tlv import TlvType
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
    no_login: str = ""
    """What says in its list that nobody can log in; "" if somebody can, or it is not known."""


class Question:
    """Asks one server what it offers to clients with or without TLS; `begin` starts it, `cancel` ends it unanswered."""

    def __init__(
        self,
        backend: Backend,
        server: BackendServer,
        protocol: str,
        host: str,
        answered: Callable[[Lesson], None],
        *,
        with_tls: bool,
        destination: InetBind | None,
        poller: Poller,
        timeouts: Timeouts,
    ) -> None:
        """
        Get ready to ask; `destination` is where clients connect to, if that is known.

        `answered` hears what came of it within the backend's connect deadline, perhaps before `begin` returns.
        """
        self._backend = backend
        self._server = server
        self._protocol = protocol
        self._host = host
        self._answered = answered
        self._with_tls = with_tls
        self._poller = poller
        self._timeouts = timeouts
        self._destination = destination
        self._probe = CapabilityProbe(protocol, host.encode())
        self._connection: ProbeConnection | None = None

    def begin(self) -> None:
        """Ask."""
        server, backend = self._server, self._backend
        if server.target is None:
            self._answered(Lesson(server.name, None, f"DNS has no address for {_name(server)}; is the name right?"))
            return
        bind = self._destination
        header = foreign_header(
            backend.header,
            LIKE_TLS if self._with_tls else None,
            None if bind is None else (bind.host.packed, bind.port),
        )
        connection = self._connection = ProbeConnection(
            server.target,
            header,
            self._probe,
            backend.connect_seconds,
            self._over,
            poller=self._poller,
            timeouts=self._timeouts,
        )
        connection.begin()

    def cancel(self) -> None:
        """Ask no more."""
        if self._connection is not None:
            self._connection.cancel()
            self._connection = None

    def _over(self, end: ConnectionEnd) -> None:
        self._connection = None
        self._answered(self._lesson(end))

    def _lesson(self, end: ConnectionEnd) -> Lesson:
        backend, server, probe = self._backend, self._server, self._probe
        if probe.capabilities is not None:
            return Lesson(
                server.name,
                probe.capabilities,
                "",
                still_offers_starttls=self._with_tls and probe.still_offers_starttls,
                takes_passwords=not self._with_tls and PROTOCOLS[self._protocol].takes_passwords(probe.capabilities),
                no_login=self._no_login(probe.capabilities),
            )
        if probe.misunderstood is not None and backend.settings.send_proxy != "none":
            remedy = PROFILES[backend.settings.profile].takes_headers
            return Lesson(server.name, None, header_ignored(probe.misunderstood, remedy))
        seconds = backend.connect_seconds
        late = f"no list within {seconds:g} s" if end.is_late and end.stage == "answer" else end.failure
        failure = probe.failure or late
        if end.stage != "answer":
            return Lesson(server.name, None, failure)
        way = Way(
            sends_header=backend.settings.send_proxy != "none",
            has_tls=server.origin.tls is not None,
            distrusts=PROFILES[backend.settings.profile].distrusts,
        )
        cause = way.likely_cause(probe.said, is_closed=not end.is_late)
        return Lesson(server.name, None, f"{failure}; {cause}" if cause else failure)

    def _no_login(self, capabilities: tuple[bytes, ...]) -> str:
        settings = self._backend.settings
        if TlvType.SSL in settings.pass_tlvs and not _tells_tls(settings):
            return ""  # only a client's own header says TLS, and the server was shown none
        return PROTOCOLS[self._protocol].no_login(capabilities)


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
        self._known: Lesson | None = None
        self._failures: tuple[str, ...] = ()
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._question: Question | None = None
        self._left: list[BackendServer] = []
        self._asked: list[str] = []
        self._is_asking = False
        self._is_due = False

    def start(self) -> None:
        """Ask now, and from time to time."""
        self._backend.listeners.append(self._changed)
        self._learn()

    def stop(self) -> None:
        """Ask no more."""
        if self._changed in self._backend.listeners:
            self._backend.listeners.remove(self._changed)
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._question is not None:
            self._question.cancel()
            self._question = None

    def _changed(self, change: Change[BackendServer]) -> None:
        """Ask at once when a server has come (back): it may offer something else than before."""
        if change.event in ("up", "address") and self._call is not None:
            self._call.cancel()
            self._learn()

    def _learn(self) -> None:
        """Take the first answer that there is, of servers that get clients before the others."""
        self._call = None
        self._left = sorted(self._backend.pool.servers, key=lambda server: not server.is_usable)[::-1]
        self._asked = []
        self._go_on()

    def _go_on(self) -> None:
        # An answer may come within the call that asks: it leaves the next question to the loop that it is called by.
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
        question = self._question = Question(
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
        question.begin()

    def _answered(self, lesson: Lesson) -> None:
        self._question = None
        if lesson.capabilities is None:
            self._asked.append(f"server {lesson.server}: {lesson.failure}")
            self._go_on()
        else:
            self._failures = ()
            self._take(lesson, lesson.capabilities)
            self._wait(self._interval)

    def _wait(self, seconds: float) -> None:
        self._call = self._clock.callLater(seconds, self._learn)

    def _give_up(self, failures: tuple[str, ...]) -> None:
        """Say once why nothing was learned, and again when the reasons change."""
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

    def _take(self, lesson: Lesson, capabilities: tuple[bytes, ...]) -> None:
        if self._known is not None and self._known.capabilities == capabilities:
            return
        self._known = lesson
        self._learned(capabilities)
        self._log.info(
            "backend {backend} offers {count} {protocol} capabilities, as server {server} lists them",
            event="learned",
            backend=self._backend.name,
            protocol=self._protocol,
            count=len(capabilities),
            server=lesson.server,
        )
        # Without TLS a server is right to refuse: clients are asked to begin TLS first.
        refused = lesson.no_login and self._with_tls
        for advice in (
            STARTTLS_ADVICE if lesson.still_offers_starttls else "",
            no_login_advice(lesson.no_login, self._backend.settings, with_tls=True) if refused else "",
        ):
            if not advice:
                continue
            self._log.warn(
                "backend {backend}, server {server}: {advice}",
                event="advice",
                backend=self._backend.name,
                server=lesson.server,
                advice=advice,
            )


CLEAR_ADVICE = (
    "offers to take passwords from clients in clear; set ssl = required on Dovecot 2.4, disable_plaintext_auth = yes "
    'on Dovecot 2.3, smtpd_tls_auth_only = yes on Postfix, or tls = "starttls" for the frontend'
)
STARTTLS_ADVICE = (
    "still offers STARTTLS to clients that are on TLS already; on Dovecot 2.3 set ssl = no outside of all blocks, or "
    "in local ADDRESS { } for the address that clients connect to (inside inet_listener it changes nothing); on other "
    "servers turn TLS off for the port that mailproxy connects to"
)


def no_login_advice(sign: str, settings: config.Backend, *, with_tls: bool) -> str:
    """Say that nobody can log in, by what says so in a server's list, and what most likely makes it so."""
    if with_tls and not _tells_tls(settings):
        cause = f'send-proxy is "{settings.send_proxy}"; "v2-ssl" tells it that clients are on TLS'
    elif with_tls:
        cause = "the header says that clients are on TLS; what do the server's own settings require for a login?"
    else:
        cause = (
            "it treats clients as unsecured; if a proxy ends their TLS before mailproxy, say so with tls-offloaded-by, "
            'or pass on what that proxy says with proxy-v2-pass-tlvs = ["ssl"]'
        )
    return f"refuses all logins ({sign}): {cause}"


def _tells_tls(settings: config.Backend) -> bool:
    """Tell whether a client's header says that the client is on TLS."""
    return settings.send_proxy in ("v2-ssl", "v2-ssl-cn") or bool(SSL_OPTIONS & settings.proxy_v2_options)
