"""TLS servers for tests, and the certificates that they serve."""

from __future__ import annotations

from functools import cache
from typing import Any

from mailproxy.config import TlsProfile
from mailproxy.tls.certificate import Certificate, make_certificate
from mailproxy.tls.groups import group_certificates
from mailproxy.tls.server import TlsServer
from tests.tls.issue import issue

NAME = "mail.example.org"


@cache
def certificate(*names: str) -> Certificate:
    """One certificate for some names, the same every time."""
    return make_certificate(f"/{'+'.join(names)}.pem", issue(*names).pem)


def tls_server(*certificates: Certificate, alpn: tuple[str, ...] = (), **settings: Any) -> TlsServer:
    """Make a TLS server: with one certificate for `NAME`, unless there are others."""
    profile = TlsProfile(name="default", certificates=(), **settings)
    return TlsServer(profile, group_certificates(certificates or (certificate(NAME),)), alpn)
