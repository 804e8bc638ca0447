"""TLS towards clients: the certificate, the session and the facts of each connection of one profile."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from secrets import token_bytes
from time import monotonic
from typing import Any, TypeVar
from weakref import ref

from attrs import frozen
from OpenSSL import SSL

from mailproxy.proxyprotocol.ssl import NOT_VERIFIED
from mailproxy.tls import openssl
from mailproxy.tls.callbacks import (
    INTERNAL_ERROR,
    MISSING_EXTENSION,
    UNRECOGNIZED_NAME,
    Callbacks,
    Refused,
    alpn_callback,
    keylog_callback,
    server_name_callback,
    status_callback,
)
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.context_maker import SESSION_CONTEXT, ContextMaker, TlsSettings
from mailproxy.tls.contexts import Contexts
from mailproxy.tls.facts import TlsFacts
from mailproxy.tls.groups import CertificateGroup
from mailproxy.tls.hello import EARLY_DATA, NotWhole, name_without_13, offers_13
from mailproxy.tls.keylog import KeyLog
from mailproxy.tls.steps import Steps, finish
from mailproxy.tls.subject import common_names
from mailproxy.tls.trust import ClientTrust

T = TypeVar("T")

# Each has a few KiB at most. A client that asks for many new names only makes its own connections slower.
_KNOWN_FACTS = 512


@frozen(eq=False)
class TicketKeys:
    """A context with the keys of session tickets, and the callbacks that it refers to."""

    context: SSL.Context
    callbacks: Callbacks


def _now() -> datetime:
    return datetime.now(UTC)


def _weakly(server: TlsServer, method: Callable[[TlsServer, Any], T]) -> Callable[[Any], T]:
    """
    Return a function of a connection that calls a server's method and does not keep the server alive.

    Without the server, it refuses the handshake (`Refused`).
    """
    weak = ref(server)

    def call(ssl: Any) -> T:
        live = weak()
        if live is None:
            raise Refused(INTERNAL_ERROR)
        return method(live, ssl)

    return call


class TlsServer:
    """
    The server's side of TLS for one profile; its certificates may change (mutable).

    Each group of certificates has its own context; the first one is the default.

    A renewal or a reload may replace a server. The last connection that it made frees it then, with its contexts, and
    without the garbage collector, which seldom runs: so a server is in no reference cycle.
    """

    def __init__(
        self,
        settings: TlsSettings,
        groups: Sequence[CertificateGroup],
        alpn: Iterable[str] = (),
        *,
        trust: ClientTrust | None = None,
        keys_of: TlsServer | None = None,
        keys: SSL.Context | None = None,
        checked: Container[bytes] = (),
        clock: Callable[[], float] = monotonic,
        wall_clock: Callable[[], datetime] = _now,
    ) -> None:
        """
        Build the contexts; raise ValueError when OpenSSL refuses a setting.

        `trust` verifies clients' certificates; a profile that asks for them needs it. `keys_of` is a server with the
        same settings and other certificates: clients may resume its sessions here, unless they were verified with
        another trust. `keys` is a new context whose ticket keys are used. `checked` are the digests of certificates
        that a server with the same settings has checked.
        """
        self._settings = settings
        self._known_facts = lru_cache(maxsize=_KNOWN_FACTS)(_make_facts)
        names = tuple(name.encode() for name in alpn)
        self._clock = clock
        self._wall_clock = wall_clock
        self._is_strict = settings.strict_sni
        # Facts that are the same for every handshake.
        self._asks_for_certificates = settings.client_certificates != "none"
        self._has_alpn = bool(names)
        self._has_12 = settings.min_version == "1.2"
        if self._asks_for_certificates and trust is None:
            raise ValueError("there is nothing to verify clients' certificates with")
        # OpenSSL keeps pointers to the callbacks, so they live as long as the connections that this server makes. Each
        # connection's stream refers to the server; the callbacks must not, as the server refers to them.
        callbacks = Callbacks(
            server_name_callback(_weakly(self, TlsServer._choose)),
            status_callback(_weakly(self, TlsServer._staple)),
            alpn_callback(names) if names else None,
            None if settings.keylog is None else keylog_callback(KeyLog(settings.keylog).write),
        )
        self._maker = ContextMaker(settings, trust if self._asks_for_certificates else None, callbacks)
        self._check(groups, checked if keys_of is None else keys_of.digests)
        self.contexts: Contexts = Contexts(self._maker.make, groups, clock)
        """The contexts by server name."""
        if keys is not None:
            self._maker.set_up(keys)
        self.ticket_keys: TicketKeys = (
            self._with_callbacks(keys or self.contexts.first) if keys_of is None else keys_of.ticket_keys
        )
        """The keys of session tickets; another server may have the same."""
        self._first: Any = openssl.raw_context(self.ticket_keys.context)
        """The first context of every connection: it has the keys of the tickets."""

    def _with_callbacks(self, context: SSL.Context) -> TicketKeys:
        return TicketKeys(context, self._maker.callbacks)

    def change_keys(self, keys: SSL.Context | None = None) -> None:
        """
        Make tickets with other keys from the next handshake on; clients whose tickets are older shake hands in full.

        `keys` is a new context that has them; None makes one.
        """
        context = SSL.Context(SSL.TLS_SERVER_METHOD) if keys is None else keys
        self._maker.set_up(context)
        self.ticket_keys = self._with_callbacks(context)
        self._first = openssl.raw_context(context)

    @property
    def context(self) -> Any:
        """The raw ``SSL_CTX`` with the certificates for clients without SNI."""
        return self.contexts.default

    @property
    def digests(self) -> set[bytes]:
        """The digests of the served certificates (`Certificate.digest`)."""
        return self.contexts.digests

    def renew(self, groups: Sequence[CertificateGroup]) -> None:
        """
        Serve these groups from the next handshake on; nothing else changes, and tickets stay valid.

        If OpenSSL refuses a certificate, raise ValueError and change nothing.
        """
        finish(self.renewing(groups))()

    def renewing(self, groups: Sequence[CertificateGroup]) -> Steps[Callable[[], None]]:
        """Prepare `renew`, in steps; the result is a function that makes the change at once."""
        self._check(groups, self.digests)
        yield
        return (yield from self.contexts.replacing(groups))

    def verify_with(self, trust: ClientTrust) -> None:
        """
        Verify clients with another trust from the next handshake on, in a profile that asks for their certificates.

        Established connections continue; sessions that were verified with the previous trust are not resumed.
        """
        if self._asks_for_certificates:
            self._maker.trust = trust
            for context in self.contexts.made:
                self._maker.verify_clients(context)

    def check(self, certificate: Certificate) -> None:
        """Raise ValueError if OpenSSL refuses to serve a certificate with the settings of the profile."""
        self._maker.check(certificate)

    def _check(self, groups: Iterable[CertificateGroup], known: Container[bytes]) -> None:
        """Check the new certificates now: contexts are made later, too late to refuse a certificate."""
        for group in groups:
            for certificate in group.certificates:
                if certificate.digest not in known:
                    self.check(certificate)

    def _choose(self, ssl: Any) -> Any:
        """Return the context for a client's server name; None if the connection already has it."""
        contexts = self.contexts
        if contexts.has_one and not self._is_strict:
            return None
        name = openssl.server_name(ssl)
        found = None if name is None else contexts.for_name(name)
        if found is not None:
            return found
        if self._is_strict:
            # RFC 8446, section 9.2, has this alert for clients without SNI; older versions do not.
            is_missing = name is None and openssl.is_13(ssl)
            raise Refused(MISSING_EXTENSION if is_missing else UNRECOGNIZED_NAME)
        return contexts.default

    def _staple(self, ssl: Any) -> bytes | None:
        """Return the OCSP response for the certificate that a client gets, if a current one exists."""
        contexts = self.contexts
        certificate = contexts.only or contexts.certificate(openssl.served_certificate(ssl))
        staple = None if certificate is None else certificate.staple
        return staple.encoded if staple is not None and staple.is_current(self._wall_clock()) else None

    def connection(self, hello: bytes) -> Any:
        """
        Return a new connection for a client whose first bytes are `hello`; the caller frees it.

        A TLS 1.2 client resumes only sessions with the server name that it sends now (RFC 6066 section 3). OpenSSL
        looks at the session before the name, so the name is set before. A client whose first record is not its whole
        ClientHello resumes no session.

        With client certificates, a client resumes only sessions that the same authorities and lists have verified, and
        for a limited time: OpenSSL does not verify again on resumption, and in TLS 1.3 each resumption makes a new
        session.
        """
        is_13 = not self._has_12 or offers_13(hello)
        if is_13 and self._maker.trust is None:
            ssl = openssl.serve(self._first)
        else:
            try:
                name = b"" if is_13 else name_without_13(hello) or b""
            except NotWhole:
                name = token_bytes()
            openssl.set_session_context(self._first, sha256(self._verified_by() + name).digest())
            try:
                ssl = openssl.serve(self._first)
            finally:
                openssl.set_session_context(self._first, SESSION_CONTEXT)
        context = self.contexts.default
        if self._first is not context:
            openssl.use_context(ssl, context)
        return ssl

    def _verified_by(self) -> bytes:
        """Return a part of the session id context; it changes when sessions of verified clients must not be resumed."""
        if self._maker.trust is None:
            return b""
        return self._maker.trust.digest + b"%d" % (self._clock() // self._settings.ticket_lifetime)

    def awaits_finished(self, ssl: Any, hello: bytes) -> bool:
        """Return whether only the client's Finished is missing, unless our answer asks for another ClientHello."""
        return not self._asks_for_certificates and openssl.has_answered_13(ssl) and EARLY_DATA not in hello

    def facts(self, ssl: Any) -> TlsFacts:
        """Read the facts of a connection, once, after its handshake."""
        certificate = openssl.peer_certificate(ssl) if self._asks_for_certificates else None
        verify = NOT_VERIFIED if certificate is None else openssl.verify_result(ssl)
        contexts = self.contexts
        # Most connections have the same values, and a known value is found at almost no cost.
        return self._known_facts(
            openssl.negotiated(ssl),
            openssl.alpn(ssl) if self._has_alpn else None,
            contexts.only or contexts.certificate(openssl.served_certificate(ssl)),
            certificate,
            verify,
        )


def _make_facts(
    negotiated: tuple[str, str, str | None, str | None, bool],
    alpn: bytes | None,
    ours: Certificate | None,
    client_certificate: bytes | None,
    verify: int,
) -> TlsFacts:
    version, cipher, group, server_name, resumed = negotiated
    return TlsFacts(
        version=version,
        cipher=cipher,
        group=group,
        server_name=server_name,
        alpn=alpn,
        resumed=resumed,
        certificate_sig_alg=None if ours is None else ours.sig_alg,
        certificate_key_alg=None if ours is None else ours.key_alg,
        client_certificate=client_certificate,
        client_common_names=() if client_certificate is None else common_names(client_certificate),
        verify=verify,
    )
