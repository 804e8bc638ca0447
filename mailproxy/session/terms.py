"""
The terms of a frontend: all that its configuration says of a session.

A session takes the terms that its frontend has when it is accepted, and keeps them. What is learned later, or read from
a configuration that has changed, makes new terms for later sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

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
from mailproxy.tls.server import TlsServer


@frozen(kw_only=True, eq=False)
class Terms:
    """What holds for a session from accept to close."""

    frontend: str
    """The frontend's name."""
    protocol: MailProtocol
    accept: AcceptPolicy | None
    """Who sends a PROXY header; None if nobody does and everybody is served."""
    accept_keys: str
    """The keys of the configuration that say so, in words."""
    dialogue: Settings | None
    """What is said before STARTTLS; None on a frontend without."""
    tls: TlsServer | None
    offloaders: tuple[Sender, ...]
    """Who ends TLS before us."""
    backend: Backend
    """Where sessions go; a session takes it when it dials."""
    timeout: FrontendTimeouts
    silence: float
    """How many seconds of silence a session bears at least."""
    server_speaks_first: bool
    refusal: bytes
    """The last words to a client for which there is no server."""
    refuses_when_asked: bool
    """True if a client that was greeted before STARTTLS is refused with the answer to its first command."""
    goodbye: bytes
    """The last words to a client whose session is shut down."""
    log_tlvs: tuple[int, ...]
    """The types of the received TLVs that are logged."""

    @classmethod
    def of(cls, settings: config.Frontend, backend: Backend, tls: TlsServer | None, host: str) -> Terms:
        """Return the terms of a frontend that calls itself `host`, by its configuration."""
        return cls(
            frontend=settings.name,
            protocol=settings.protocol,
            accept=_accept_policy(settings),
            accept_keys="accept-proxy or accept-proxy-optional" if settings.accept_proxy_optional else "accept-proxy",
            dialogue=_dialogue(settings, host),
            tls=tls,
            offloaders=settings.tls_offloaded_by,
            backend=backend,
            timeout=settings.timeout,
            silence=min(settings.timeout.client, settings.timeout.server),
            server_speaks_first=server_speaks_first(settings.protocol),
            refusal=refusal(settings.protocol),
            refuses_when_asked=refuses_when_asked(settings.protocol),
            goodbye=goodbye(settings.protocol),
            log_tlvs=settings.log_tlvs,
        )

    @property
    def begins_in_clear(self) -> bool:
        """True when a client's first bytes are no TLS."""
        return self.tls is None or self.dialogue is not None

    def is_offloader(self, host: IPv4Address | IPv6Address | None) -> bool:
        """Tell whether TLS is ended by who connects from this address, None for a UNIX socket."""
        return any(
            host is None if isinstance(sender, str) else host is not None and host in sender
            for sender in self.offloaders
        )

    def learns_as(self, other: Terms) -> bool:
        """Tell whether what is offered to clients of other terms is what is offered to those of these."""
        return (self.protocol, self.backend.name) == (other.protocol, other.backend.name)

    def with_capabilities(self, capabilities: tuple[bytes, ...]) -> Terms:
        """Return terms by which these are announced before STARTTLS."""
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
