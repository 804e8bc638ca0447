"""
The terms of a frontend: its configuration, as far as it concerns sessions.

A session takes the frontend's terms at accept, and keeps them. New capabilities or a new configuration make new terms
for later sessions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

from attrs import evolve, frozen

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.config import FrontendTimeouts
from mailproxy.config.model import MailProtocol
from mailproxy.config.place import UNIX, Network, Sender
from mailproxy.mail.dialogue import Settings
from mailproxy.mail.greeting import server_speaks_first
from mailproxy.mail.refusal import goodbye, refusal, refuses_when_asked
from mailproxy.proxyprotocol import AcceptPolicy
from mailproxy.rules.rules import Rules
from mailproxy.tls.server import TlsServer

NO_BACKENDS: Mapping[str, Backend] = MappingProxyType({})


@frozen(kw_only=True, eq=False)
class Terms:
    """The settings of a session from accept to close."""

    frontend: str
    """The frontend's name."""
    protocol: MailProtocol
    accept: AcceptPolicy | None
    """The policy for PROXY headers; None if no client sends one and all are served."""
    accept_keys: str
    """The configuration's keys for that, in words."""
    dialogue: Settings | None
    """The settings of the dialogue before STARTTLS; None without STARTTLS."""
    tls: TlsServer | None
    offloaders: tuple[Sender, ...]
    """The proxies that end TLS before mailproxy."""
    backend: Backend
    """The backend for sessions; a session takes it at dial."""
    backends: Mapping[str, Backend]
    """The backends that rules may choose, by name."""
    rules: Rules | None
    """The rules for clients; None if there are none."""
    timeout: FrontendTimeouts
    silence: float
    """The shortest silence, in seconds, that may end a session."""
    silence_at_end: float
    """The same for a session of which one side has ended."""
    server_speaks_first: bool
    refusal: bytes
    """The last words to a client that gets no server."""
    refuses_when_asked: bool
    """True if a client that was greeted before STARTTLS is refused with the answer to its first command."""
    goodbye: bytes
    """The last words to a client whose session is shut down."""
    log_tlvs: tuple[int, ...]
    """The types of the received TLVs that are logged."""
    refused_logins: re.Pattern[bytes] | None
    """Finds refused logins in a server's lines; None if nothing asks for them, or the protocol has no logins."""
    max_refused_logins: int | None
    """The refused logins with which a session ends; None: it goes on."""

    @classmethod
    def of(
        cls,
        settings: config.Frontend,
        backend: Backend,
        tls: TlsServer | None,
        host: str,
        backends: Mapping[str, Backend] = NO_BACKENDS,
        rules: Rules | None = None,
        *,
        counts_refused_logins: bool = False,
    ) -> Terms:
        """
        Return the terms of a frontend that calls itself `host`, by its configuration.

        With `counts_refused_logins`, rules ask for them, here or at another frontend.
        """
        timeout, max_refused_logins = settings.timeout, settings.limits.auth_failures_per_session
        looks_for_them = counts_refused_logins or settings.log_refused_logins or max_refused_logins is not None
        return cls(
            frontend=settings.name,
            protocol=settings.protocol,
            accept=_accept_policy(settings),
            accept_keys="accept-proxy or accept-proxy-optional" if settings.accept_proxy_optional else "accept-proxy",
            dialogue=_dialogue(settings, host),
            tls=tls,
            offloaders=settings.tls_offloaded_by,
            backend=backend,
            backends=backends,
            rules=rules,
            timeout=timeout,
            silence=min(timeout.client, timeout.server),
            silence_at_end=min(timeout.client, timeout.server, timeout.client_fin, timeout.server_fin),
            server_speaks_first=server_speaks_first(settings.protocol),
            refusal=refusal(settings.protocol),
            refuses_when_asked=refuses_when_asked(settings.protocol),
            goodbye=goodbye(settings.protocol),
            log_tlvs=settings.log_tlvs,
            refused_logins=settings.refused_logins if looks_for_them else None,
            max_refused_logins=max_refused_logins,
        )

    @property
    def begins_without_tls(self) -> bool:
        """True if a client's first bytes are not TLS."""
        return self.tls is None or self.dialogue is not None

    def is_offloader(self, host: IPv4Address | IPv6Address | None) -> bool:
        """Return whether a proxy with this address ends TLS; None is a UNIX socket."""
        return any(
            host is None if isinstance(sender, str) else host is not None and host in sender
            for sender in self.offloaders
        )

    def learns_as(self, other: Terms) -> bool:
        """Return whether the backend's capabilities for the other terms are the same as for these."""
        return (self.protocol, self.backend.name) == (other.protocol, other.backend.name)

    def with_capabilities(self, capabilities: tuple[bytes, ...]) -> Terms:
        """Return terms that announce these capabilities before STARTTLS."""
        assert self.dialogue is not None
        return evolve(self, dialogue=evolve(self.dialogue, capabilities=capabilities))


def _dialogue(settings: config.Frontend, host: str) -> Settings | None:
    if not settings.has_starttls:
        return None
    return Settings(
        host=host.encode(),
        capabilities=tuple(name.encode() for name in settings.capabilities) or None,
        optional=settings.tls == "starttls-optional",
    )


def _accept_policy(settings: config.Frontend) -> AcceptPolicy | None:
    if not (settings.accept_proxy or settings.accept_proxy_optional or settings.accept_proxy_only):
        return None
    return AcceptPolicy(
        trusted=_networks(settings.accept_proxy),
        optional=_networks(settings.accept_proxy_optional),
        refuse_others=settings.accept_proxy_only,
        unix=UNIX in settings.accept_proxy,
        optional_unix=UNIX in settings.accept_proxy_optional,
        timeout=settings.timeout.proxy_header,
    )


def _networks(senders: Iterable[Sender]) -> tuple[Network, ...]:
    return tuple(sender for sender in senders if not isinstance(sender, str))
