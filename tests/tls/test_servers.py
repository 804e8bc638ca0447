"""TLS of each profile, from one reading of the configuration to the next."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

from mailproxy.config import TlsProfile
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.pem import make_certificate
from mailproxy.tls.server import TlsServer
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.trust_files import read_trust
from tests.tls.connect import Connect
from tests.tls.issue import issue
from tests.tls.servers import NAME, certificate
from tests.transport.peers import client_context

OTHER = "other.example.org"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def get(
    servers: TlsServers, *certificates: Certificate, alpn: tuple[str, ...] = (), name: str = "default", **settings: Any
) -> TlsServer:
    """The TLS of a profile with one certificate for `NAME`, unless there are others."""
    profile = TlsProfile(name=name, certificates=(), **settings)
    return servers.get(profile, certificates or (certificate(NAME),), alpn, read_trust(profile))


def renewed(*names: str) -> Certificate:
    """A certificate that was not there before."""
    return make_certificate("/renewed.pem", issue(*names).pem)


def test_profile_that_stays_has_one_server() -> None:
    servers = TlsServers()
    assert get(servers) is get(servers)


def test_profiles_and_alpn_protocols_have_servers_of_their_own() -> None:
    servers = TlsServers()
    assert len({get(servers), get(servers, alpn=("imap",)), get(servers, name="other")}) == 3


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_renewed_certificate_is_served_and_sessions_continue(connect: Connect, version: ssl.TLSVersion) -> None:
    servers, context = TlsServers(), client_context(version)
    first = connect(get(servers), context)
    server = get(servers, renewed(NAME))
    assert connect(server, context).served != first.served
    assert connect(server, context, session=first.client.tls.session).facts.resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_sessions_continue_after_many_renewals(connect: Connect, version: ssl.TLSVersion) -> None:
    servers, context = TlsServers(), client_context(version)
    first = connect(get(servers), context)
    for _ in range(3):
        server = get(servers, renewed(NAME))
    assert connect(server, context, session=first.client.tls.session).facts.resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_server_name_chooses_among_renewed_certificates(connect: Connect, version: ssl.TLSVersion) -> None:
    servers, context = TlsServers(), client_context(version)
    get(servers)
    ours, theirs = renewed(NAME), renewed(OTHER)
    server = get(servers, ours, theirs)
    assert connect(server, context, OTHER).served == connect(server, context, OTHER).served
    assert connect(server, context, OTHER).served != connect(server, context, NAME).served
    assert connect(server, context, OTHER).facts.server_name == OTHER


def test_tls_1_2_does_not_resume_under_another_name_after_a_renewal(connect: Connect) -> None:
    servers, context = TlsServers(), client_context(TLS12)
    get(servers)
    server = get(servers, renewed(NAME, OTHER))
    first = connect(server, context)
    assert connect(server, context, session=first.client.tls.session).facts.resumed
    assert not connect(server, context, OTHER, session=first.client.tls.session).facts.resumed


def test_renewal_reaches_who_has_the_server_already(connect: Connect) -> None:
    servers, new = TlsServers(), renewed(NAME)
    imap, pop = get(servers, alpn=("imap",)), get(servers, alpn=("pop3",))
    other = get(servers, name="other")
    servers.renew("default", (new,))
    assert connect(imap).served == connect(pop).served == new.encoded[0]
    assert connect(other).served == certificate(NAME).encoded[0]
    assert get(servers, new, alpn=("imap",)) is imap


def test_openssl_s_objection_to_a_certificate_is_reported() -> None:
    servers = TlsServers()
    get(servers)
    weak = make_certificate("/weak.pem", issue(NAME, key=rsa.generate_private_key(65537, 1024)).pem)
    assert servers.objection("default", weak) == "ee key too small"
    assert servers.objection("default", certificate(NAME)) == ""


def test_where_certificates_are_is_nothing_to_the_server() -> None:
    servers = TlsServers()
    assert get(servers) is get(servers, watch=5.0)


def test_strict_names_leave_the_keys_of_tickets_alone(connect: Connect) -> None:
    servers, context = TlsServers(), client_context()
    first = connect(get(servers), context)
    server = get(servers, strict_sni=True)
    assert connect(server, context, session=first.client.tls.session).facts.resumed
    assert connect(server, context, OTHER).error is not None


def test_alpn_is_negotiated_after_a_renewal(connect: Connect) -> None:
    servers, context = TlsServers(), client_context()
    context.set_alpn_protocols(["imap"])
    get(servers, alpn=("imap",))
    assert connect(get(servers, renewed(NAME), alpn=("imap",)), context).facts.alpn == b"imap"


def test_other_settings_have_other_keys(connect: Connect) -> None:
    servers, context = TlsServers(), client_context()
    first = connect(get(servers), context)
    server = get(servers, max_version="1.3", min_version="1.3")
    assert not connect(server, context, session=first.client.tls.session).facts.resumed


def test_sessions_that_other_authorities_allowed_do_not_continue(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "clients.pem"
    authorities = trustme.CA(), trustme.CA()
    servers, context = TlsServers(), client_context()
    authorities[0].issue_cert(common_name="alice").configure_cert(context)
    authorities[0].cert_pem.write_to_path(str(path))
    settings: dict[str, Any] = {"client_certificates": "required", "client_ca": (str(path),)}
    first = connect(get(servers, **settings), context)
    session = first.client.tls.session
    assert connect(get(servers, **settings), context, session=session).facts.resumed
    authorities[1].cert_pem.write_to_path(str(path))
    assert connect(get(servers, **settings), context, session=session).error is not None


def test_reading_that_comes_to_nothing_changes_nothing() -> None:
    servers = TlsServers()
    before = get(servers)
    get(servers.copy(), renewed(NAME))
    assert get(servers) is before


def test_profile_that_is_not_used_is_forgotten() -> None:
    servers = TlsServers()
    before = get(servers)
    servers.forget_others(set())
    assert get(servers) is not before
