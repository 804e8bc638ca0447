"""
TLS towards servers: the trusted authorities, and the name that a server's certificate must have.

OpenSSL verifies the chain during the handshake; service-identity verifies the name right after it. If either fails, no
bytes are sent to the server, and none are read from it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, Protocol

from cryptography import x509
from OpenSSL import SSL, crypto

from mailproxy.tls import openssl
from mailproxy.tls.algorithms import DEFAULT_CIPHERSUITES
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificates import read_authorities
from mailproxy.tls.dns_name import is_dns_name
from mailproxy.tls.problem import CertificateError
from mailproxy.tls.refusal import chain_problem, check_name, is_ip_address, name_problem
from mailproxy.tls.server_files import ServerFiles, read_client_certificate
from mailproxy.tls.sessions import Sessions

_VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

# A server has a few certificates, one after the other.
_KNOWN_CERTIFICATES = 16

# OpenSSL's reasons when the answer to its ClientHello is not TLS.
_NO_TLS = ("wrong version number", "packet length too long", "unexpected message", "http request")


class ServerTlsSettings(Hashable, Protocol):
    """The settings of a server's ``tls`` that `ClientTls` needs."""

    @property
    def verify(self) -> str:
        """Whether the certificate is verified: "required" or "none"."""

    @property
    def ca(self) -> str | None:
        """The PEM file with the authorities; None: the system's authorities."""

    @property
    def verify_name(self) -> str | None:
        """The name that the certificate must have; None: a fixed `sni`, else the server's host."""

    @property
    def sni(self) -> str | None:
        """The server name to send, "client" for the client's; None: the verified name."""

    @property
    def certificate(self) -> str | None:
        """The PEM file with our own certificate, its chain and key."""

    @property
    def min_version(self) -> str:
        """The oldest version, "1.2" or "1.3"."""


class CertificateRefused(ConnectionError):
    """The server's certificate is not acceptable; the message has the reason."""


class ClientTls:
    """
    The client's side of TLS towards one server, or towards several with the same name and settings.

    Its only state is the sessions for resumption and a cache of certificates.
    """

    def __init__(
        self,
        settings: ServerTlsSettings,
        host: str | None,
        context: SSL.Context,
        judge_name: Callable[[Any, str], str] = name_problem,
    ) -> None:
        """
        Take the context that `client_context` made from the settings, and the server's host, if it has one.

        `judge_name` returns why a certificate is not for a name, "" if it is. Raises ValueError if there is no name to
        verify the server with.
        """
        self._owner = context  # keeps the raw context alive
        self._context = openssl.raw_context(context)
        fixed = None if settings.sni == "client" else settings.sni
        name = settings.verify_name or fixed or host or ""
        self._verifies = settings.verify != "none"
        if self._verifies and not name:
            raise ValueError("needs verify-name: the address has no host name to compare the certificate with")
        if self._verifies:
            check_name(name)
        self._authorities = settings.ca or "the system's authorities"
        self._name_problem = lru_cache(_KNOWN_CERTIFICATES)(lambda certificate: judge_name(certificate, name))
        self.asks_for_clients_name = settings.sni == "client"
        """True if the server name of the client is sent."""
        self._server_name = fixed or ("" if is_ip_address(name) else name)
        self._sessions = Sessions()

    def server_name(self, clients: str | None) -> str:
        """Return the server name to send, given the name from the client; "" for none."""
        if self.asks_for_clients_name and clients is not None and is_dns_name(clients):
            return clients
        return self._server_name

    def connect(self, server_name: str, address: Hashable) -> Any:
        """
        Return a new connection, which the caller frees.

        It resumes the last session with the same name and address, if there is one.
        """
        session = self._sessions.get((address, server_name))
        return openssl.connect(self._context, server_name.encode(), session)

    def verify(self, ssl: Any) -> None:
        """Check the server's certificate after the handshake; raise `CertificateRefused` if it is wrong."""
        # Sessions are kept only for verified servers.
        if not self._verifies or openssl.is_resumed(ssl):
            return
        certificate = openssl.peer_certificate(ssl)
        problem = "the server has no certificate" if certificate is None else self._name_problem(certificate)
        if problem:
            raise CertificateRefused(problem)

    def failure(self, ssl: Any, reason: str) -> OSError:
        """Return the error for a failed handshake, given OpenSSL's reason."""
        verdict = openssl.verify_result(ssl)
        if self._verifies and verdict != 0:
            chain = openssl.server_chain(ssl)
            return CertificateRefused(chain_problem(verdict, chain, self._authorities, datetime.now(UTC)))
        hint = ", does the server speak TLS there?" if reason in _NO_TLS else ""
        return ConnectionError(f"TLS handshake: {reason}{hint}")

    def keep_session(self, ssl: Any, server_name: str, address: Hashable) -> None:
        """Keep the session for the next connection to the same server; call it only for verified servers."""
        session = openssl.session(ssl)
        if session is not None:
            self._sessions.keep((address, server_name), session)


def client_context(settings: ServerTlsSettings, files: ServerFiles | None = None) -> SSL.Context:
    """
    Make the OpenSSL context for a server's settings; raise ValueError with the reason if OpenSSL refuses them.

    `files` has the contents of the files that the settings name; with None, they are read now.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(_VERSIONS[settings.min_version])
    # Dovecot chooses the first group that the client offers.
    context.set_tls13_ciphersuites(DEFAULT_CIPHERSUITES.encode())
    openssl.set_modes(context)
    context.set_options(openssl.OPTIONS)
    # We keep sessions ourselves, by server.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    try:
        if settings.certificate is not None:
            ours = _certificate(settings.certificate, files)
            context.use_certificate(ours.leaf)
            context.use_privatekey(ours.key)  # type: ignore[arg-type]  # the reader takes RSA, EC, EdDSA only
            for issuer in ours.chain:
                context.add_extra_chain_cert(issuer)
        if settings.verify == "none":
            context.set_verify(SSL.VERIFY_NONE)
        else:
            # Without a callback of ours, a chain that does not verify ends the handshake.
            context.set_verify(SSL.VERIFY_PEER)
            if settings.ca is None:
                context.set_default_verify_paths()
            else:
                _trust(context, read_authorities(settings.ca) if files is None else files.authorities[settings.ca])
    except CertificateError as error:
        raise ValueError(str(error)) from error
    except SSL.Error as error:
        reasons = "; ".join(str(entry[-1]) for entry in error.args[0])
        raise ValueError(reasons or "refused by OpenSSL") from error
    return context


def _certificate(path: str, files: ServerFiles | None) -> Certificate:
    return read_client_certificate(path) if files is None else files.certificates[path]


def _trust(context: SSL.Context, authorities: Iterable[x509.Certificate]) -> None:
    store = context.get_cert_store()
    assert store is not None, "each context has one"
    for authority in authorities:
        store.add_cert(crypto.X509.from_cryptography(authority))


MakeClientTls = Callable[[ServerTlsSettings, str | None], ClientTls]


def client_sides(
    files: ServerFiles | None = None,
    make_context: Callable[[ServerTlsSettings, ServerFiles | None], SSL.Context] = client_context,
) -> MakeClientTls:
    """
    Return a function that makes the `ClientTls` for given settings and a host, each once.

    `files` has the contents of the files that the settings name; with None, they are read when they are needed.
    Servers with the same settings share a context: the system's authorities take half a megabyte.
    """
    context = cache(lambda settings: make_context(settings, files))
    return cache(lambda settings, host: ClientTls(settings, host, context(settings)))
