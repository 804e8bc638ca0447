"""
The OpenSSL contexts of one TLS profile: its settings, applied to each context.

The settings for versions, ciphers and client certificates belong on the default context: when the server name switches
a connection to another context, OpenSSL uses only the certificate of that one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Protocol

from OpenSSL import SSL

from mailproxy.tls import openssl
from mailproxy.tls.algorithms import DEFAULT_CIPHERSUITES, default_ciphers, default_groups, default_signatures
from mailproxy.tls.callbacks import (
    Callbacks,
    set_alpn_callback,
    set_keylog_callback,
    set_server_name_callback,
    set_status_callback,
)
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.trust import ClientTrust

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}
_VERIFY = {
    "none": SSL.VERIFY_NONE,
    "optional": SSL.VERIFY_PEER,
    "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}

# The session id context: only our own sessions may be resumed.
SESSION_CONTEXT = b"mailproxy"


class TlsSettings(Protocol):
    """The settings of a TLS profile that a `TlsServer` needs."""

    @property
    def min_version(self) -> str:
        """The oldest version, "1.2" or "1.3"."""

    @property
    def max_version(self) -> str:
        """The newest version, "1.2" or "1.3"."""

    @property
    def client_certificates(self) -> str:
        """Whether clients are asked for certificates: "none", "optional" or "required"."""

    @property
    def bad_client_certificate(self) -> str:
        """How clients with a bad certificate are treated: "refused" or "unverified"."""

    @property
    def strict_sni(self) -> bool:
        """Whether clients without a server name, or with one that no certificate has, are refused."""

    @property
    def ciphers(self) -> str | None:
        """OpenSSL's cipher list for TLS 1.2; None is `default_ciphers`."""

    @property
    def cbc_ciphers(self) -> bool:
        """Whether `default_ciphers` includes ciphers in CBC mode."""

    @property
    def ciphersuites(self) -> str | None:
        """OpenSSL's cipher suites for TLS 1.3; None is `DEFAULT_CIPHERSUITES`."""

    @property
    def groups(self) -> str | None:
        """OpenSSL's list of groups for key exchange; None is `default_groups`."""

    @property
    def signature_algorithms(self) -> str | None:
        """OpenSSL's list of signature algorithms; None is `default_signatures`."""

    @property
    def tickets(self) -> bool:
        """Whether clients get session tickets, with which they resume sessions."""

    @property
    def ticket_lifetime(self) -> float:
        """
        The lifetime of a ticket, in seconds.

        It also limits how long a client can resume without another verification of its certificate.
        """

    @property
    def keylog(self) -> str | None:
        """The file for the keys of connections (SSLKEYLOGFILE); None for no file."""


class ContextMaker:
    """Makes contexts with the settings of one profile; whom it trusts may change (mutable)."""

    def __init__(self, settings: TlsSettings, trust: ClientTrust | None, callbacks: Callbacks) -> None:
        """Raise ValueError when OpenSSL refuses a setting; `trust` is None if clients need no certificates."""
        self._settings = settings
        self.trust = trust
        self.callbacks = callbacks
        self._algorithms = {
            "ciphers": settings.ciphers or default_ciphers(cbc=settings.cbc_ciphers),
            "ciphersuites": settings.ciphersuites or DEFAULT_CIPHERSUITES,
            "groups": settings.groups or default_groups(),
            "signature-algorithms": settings.signature_algorithms or default_signatures(),
        }
        self._trial = self.make(())[0]

    def make(self, certificates: tuple[Certificate, ...]) -> tuple[SSL.Context, tuple[int, ...]]:
        """Make a context; return it, and the identities of its certificates (`openssl.served_certificate`)."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.set_up(context)
        identities = []
        for certificate in certificates:
            _use(context, certificate)
            identities.append(openssl.current_certificate(context))
        return context, tuple(identities)

    def check(self, certificate: Certificate) -> None:
        """Raise ValueError if OpenSSL refuses to serve a certificate with the settings of the profile."""
        with _refusal(f"{certificate.path}: "):
            self._trial.use_certificate(certificate.leaf)
            _use_key(self._trial, certificate)

    def set_up(self, context: SSL.Context) -> None:
        """Apply the profile's settings to a context, except the certificates."""
        settings, callbacks = self._settings, self.callbacks
        context.set_min_proto_version(_VERSIONS[settings.min_version])
        context.set_max_proto_version(_VERSIONS[settings.max_version])
        openssl.set_modes(context)
        context.set_options(openssl.OPTIONS)
        # Tickets carry the sessions; a cache beside them would only cost memory.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_session_id(SESSION_CONTEXT)
        context.set_timeout(ceil(settings.ticket_lifetime))
        if not settings.tickets:
            context.set_options(SSL.OP_NO_TICKET)
        for what, value in self._algorithms.items():
            if objection := openssl.objection(context, what, value):
                raise ValueError(f"{what}: {objection}")
        self.verify_clients(context)
        raw = openssl.raw_context(context)
        set_server_name_callback(raw, callbacks.on_name)
        set_status_callback(raw, callbacks.on_status)
        if callbacks.on_alpn is not None:
            # OpenSSL calls it after the server name has chosen a context, on that context.
            set_alpn_callback(raw, callbacks.on_alpn)
        if callbacks.on_key is not None:
            set_keylog_callback(raw, callbacks.on_key)

    def verify_clients(self, context: SSL.Context) -> None:
        """Apply the settings for client certificates to a context, with the current trust."""
        # Without a callback of ours, a chain that does not verify ends the handshake, as in HAProxy.
        context.set_verify(_VERIFY[self._settings.client_certificates])
        if self.trust is not None:
            openssl.set_store(context, self.trust.store)
            openssl.name_no_authorities(context)
            for authority in self.trust.authorities:
                context.add_client_ca(authority)
            if self._settings.bad_client_certificate == "unverified":
                openssl.tolerate_bad_certificates(context)


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Make a file in memory, and return its path."""
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _use(context: SSL.Context, certificate: Certificate) -> None:
    # This call sets a chain for each kind of key; pyOpenSSL's other calls set one chain for all of a context.
    with _in_memory(certificate.pem) as path:
        context.use_certificate_chain_file(path)
    _use_key(context, certificate)


def _use_key(context: SSL.Context, certificate: Certificate) -> None:
    context.use_privatekey(certificate.key)  # type: ignore[arg-type]  # the reader takes RSA, EC, EdDSA only


@contextmanager
def _refusal(where: str = "") -> Iterator[None]:
    """Convert OpenSSL's refusal of a setting into a ValueError with its reasons."""
    try:
        yield
    except SSL.Error as error:
        reasons = "; ".join(str(entry[-1]) for entry in error.args[0])
        raise ValueError(where + (reasons or "refused by OpenSSL")) from error
