"""TLS servers for tests, and the certificates that they serve."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache
from tempfile import NamedTemporaryFile
from time import monotonic
from typing import Any

from mailproxy.config import ServerTls, TlsProfile
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.client import ClientTls, client_context
from mailproxy.tls.groups import group_certificates
from mailproxy.tls.pem import make_certificate
from mailproxy.tls.server import TlsServer
from mailproxy.tls.trust_files import read_trust
from tests.tls.issue import Issued, issue

NAME = "mail.example.org"


@cache
def certificate(*names: str) -> Certificate:
    """One certificate for some names, the same every time."""
    return make_certificate(f"/{'+'.join(names)}.pem", issued(*names).pem)


@cache
def issued(*names: str) -> Issued:
    """A self-signed certificate for some names, the same every time."""
    return issue(*names)


def tls_server(
    *certificates: Certificate, alpn: tuple[str, ...] = (), clock: Callable[[], float] = monotonic, **settings: Any
) -> TlsServer:
    """Make a TLS server: with one certificate for `NAME`, unless there are others."""
    profile = TlsProfile(name="default", certificates=(), **settings)
    groups = group_certificates(certificates or (certificate(NAME),))
    return TlsServer(profile, groups, alpn, trust=read_trust(profile), clock=clock)


def server_context(pem: bytes = b"", version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return the settings of a server that serves one certificate, that for `NAME` unless there is another."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with NamedTemporaryFile() as file:
        file.write(pem or issued(NAME).pem)
        file.flush()
        context.load_cert_chain(file.name)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def client_tls(host: str | None = NAME, **settings: Any) -> ClientTls:
    """Make the TLS towards a server; by default it verifies nothing."""
    made = ServerTls(**{"verify": "none"} | settings)
    return ClientTls(made, host, client_context(made))
