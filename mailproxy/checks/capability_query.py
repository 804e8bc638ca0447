"""
Asks one server for its capabilities, so that mailproxy can announce them before STARTTLS.

The connection is like a client's: the same address, and a PROXY header by the same rules. The header names a client at
an address for documentation: a server may offer more to a client on its own machine. For clients that will be on TLS it
reports TLS, since servers offer more then.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.checks.connection import ConnectionEnd, ProbeConnection
from mailproxy.checks.header import LIKE_TLS, foreign_header
from mailproxy.checks.timeouts import Timeouts
from mailproxy.config.place import InetBind, NamedServer
from mailproxy.mail.advice import ConnectionFacts, header_ignored
from mailproxy.mail.probe import CapabilityProbe
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol.tlv import TlvType
from mailproxy.transport.poller import Poller


@frozen
class CapabilityAnswer:
    """One server's answer: its capabilities, or the reason for none."""

    server: str
    capabilities: tuple[bytes, ...] | None
    failure: str = ""
    still_offers_starttls: bool = False
    takes_passwords: bool = False
    """True if it offers to take passwords from clients without TLS."""
    no_login: str = ""
    """The sign in its list that no client can log in; "" if logins are possible, or it is unknown."""


class CapabilityQuery:
    """
    Asks one server for its capabilities with or without TLS; `begin` starts it, `cancel` ends it without an answer.
    """

    def __init__(
        self,
        backend: Backend,
        server: BackendServer,
        protocol: str,
        host: str,
        answered: Callable[[CapabilityAnswer], None],
        *,
        with_tls: bool,
        destination: InetBind | None,
        poller: Poller,
        timeouts: Timeouts,
    ) -> None:
        """
        `destination` is the address that clients connect to, if it is known.

        `answered` is called within the backend's connect deadline, perhaps before `begin` returns.
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
            self._answered(
                CapabilityAnswer(server.name, None, f"DNS has no address for {_name(server)}; is the name right?")
            )
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
        self._answered(self._answer(end))

    def _answer(self, end: ConnectionEnd) -> CapabilityAnswer:
        backend, server, probe = self._backend, self._server, self._probe
        if probe.capabilities is not None:
            return CapabilityAnswer(
                server.name,
                probe.capabilities,
                "",
                still_offers_starttls=self._with_tls and probe.still_offers_starttls,
                takes_passwords=not self._with_tls and PROTOCOLS[self._protocol].takes_passwords(probe.capabilities),
                no_login=self._no_login(probe.capabilities),
            )
        if probe.misunderstood is not None and backend.settings.send_proxy != "none":
            remedy = PROFILES[backend.settings.profile].takes_headers
            return CapabilityAnswer(server.name, None, header_ignored(probe.misunderstood, remedy))
        seconds = backend.connect_seconds
        late = f"no list within {seconds:g} s" if end.is_late and end.stage == "answer" else end.failure
        failure = probe.failure or late
        if end.stage != "answer":
            return CapabilityAnswer(server.name, None, failure)
        facts = ConnectionFacts(
            sends_header=backend.settings.send_proxy != "none",
            has_tls=server.origin.tls is not None,
            distrusts=PROFILES[backend.settings.profile].distrusts,
        )
        cause = facts.likely_cause(probe.first_bytes, is_closed=not end.is_late)
        return CapabilityAnswer(server.name, None, f"{failure}; {cause}" if cause else failure)

    def _no_login(self, capabilities: tuple[bytes, ...]) -> str:
        settings = self._backend.settings
        if TlvType.SSL in settings.pass_tlvs and not settings.reports_tls:
            return ""  # only a client's own header reports TLS, and this one had none
        return PROTOCOLS[self._protocol].no_login(capabilities)


def _name(server: BackendServer) -> str:
    """Return the host name that a server has in the configuration."""
    address = server.origin.settings.address
    return address.host if isinstance(address, NamedServer) else str(address)
