"""What becomes of clients' certificates: which verify, which are refused or unverified, and what resumption keeps."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL.SSL import X509VerificationCodes as Codes

from mailproxy.announce.client_tls import ssl_tlv
from mailproxy.announce.left_out import LeftOut
from mailproxy.config import TlsProfile
from mailproxy.proxyprotocol.ssl import SslClient
from mailproxy.proxyprotocol.tlv import SslType
from mailproxy.tls.server import TlsServer
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.subject import common_names
from mailproxy.tls.trust_files import read_trust
from tests.tls.connect import Connect
from tests.tls.issue import Issued, issue, revocation_list
from tests.tls.servers import certificate, tls_server
from tests.transport.peers import client_context

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

REFUSED = "the client's certificate verify failed: "


@cache
def authority() -> Issued:
    return issue(common_name="clients", authority=True)


@cache
def alice() -> Issued:
    return issue(common_name="alice", issuer=authority())


def made(*names: str, **changes: Any) -> Issued:
    settings: dict[str, Any] = {"common_name": "alice", "issuer": authority()}
    return issue(*names, **settings | changes)


def showing(issued: Issued, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that shows a certificate."""
    context = client_context(version)
    with NamedTemporaryFile() as file:
        file.write(issued.pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


Serve = Callable[..., TlsServer]


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The settings of a profile with client certificates, and perhaps revocation lists."""

    def make(*lists: bytes, policy: str = "required", **others: Any) -> dict[str, Any]:
        ca = tmp_path / "clients.pem"
        ca.write_bytes(authority().certificate_pem)
        paths = []
        for number, content in enumerate(lists):
            path = tmp_path / f"{number}.crl"
            path.write_bytes(content)
            paths.append(str(path))
        return {"client_certificates": policy, "client_ca": (str(ca),), "client_crl": tuple(paths), **others}

    return make


@pytest.fixture
def serve(settings: Callable[..., dict[str, Any]]) -> Serve:
    def make(*lists: bytes, clock: Callable[[], float] = lambda: 0.0, **others: Any) -> TlsServer:
        return tls_server(clock=clock, **settings(*lists, **others))

    return make


BAD: dict[str, tuple[Callable[[], Issued], int, str]] = {
    "revoked": (alice, Codes.ERR_CERT_REVOKED, "certificate revoked"),
    "expired": (lambda: made(days=-2), Codes.ERR_CERT_HAS_EXPIRED, "certificate has expired"),
    "not yet valid": (
        lambda: made(since=2),
        Codes.ERR_CERT_NOT_YET_VALID,
        "certificate is not yet valid or the system clock is incorrect",
    ),
    "for servers": (
        lambda: made(purpose=ExtendedKeyUsageOID.SERVER_AUTH),
        Codes.ERR_INVALID_PURPOSE,
        "unsuitable certificate purpose",
    ),
    "of another authority": (
        lambda: made(issuer=issue(common_name="others", authority=True)),
        # The last of its objections; the first is that the issuer is not known.
        Codes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
        "unable to get local issuer certificate",
    ),
    "self-signed": (
        lambda: made(issuer=None),
        Codes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        "self-signed certificate",
    ),
    "expired, and of another authority": (
        lambda: made(issuer=issue(common_name="others", authority=True), days=-2),
        Codes.ERR_CERT_HAS_EXPIRED,
        "unable to get local issuer certificate",
    ),
}


@pytest.mark.parametrize("which", BAD)
@pytest.mark.parametrize("policy", ["optional", "required"])
def test_bad_certificate_is_refused(connect: Connect, serve: Serve, which: str, policy: str) -> None:
    make, _, reason = BAD[which]
    server = serve(revocation_list(authority(), alice()), policy=policy)
    assert str(connect(server, showing(make())).error) == REFUSED + reason


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("which", BAD)
def test_who_is_refused_is_known(connect: Connect, serve: Serve, which: str, version: ssl.TLSVersion) -> None:
    client = BAD[which][0]()
    error = connect(serve(revocation_list(authority(), alice()), policy="required"), showing(client, version)).error
    assert error is not None
    assert error.presented is not None
    assert error.presented.verify != 0
    assert error.presented.common_names == common_names(error.presented.certificate)
    assert error.presented.common_names
    shown = x509.load_der_x509_certificate(error.presented.certificate)
    assert (shown, error.presented.serial) == (client.certificate, serial_of(client.certificate))


def serial_of(certificate: x509.Certificate) -> str:
    """Return a certificate's number, byte by byte."""
    number = certificate.serial_number
    return number.to_bytes((number.bit_length() + 7) // 8, "big").hex().upper()


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("which", BAD)
def test_bad_certificate_may_be_unverified(connect: Connect, serve: Serve, which: str, version: ssl.TLSVersion) -> None:
    make, code, _ = BAD[which]
    server = serve(revocation_list(authority(), alice()), policy="optional", bad_client_certificate="unverified")
    context = showing(make(), version)
    first = connect(server, context)
    resumed = connect(server, context, session=first.client.tls.session).facts
    assert resumed.resumed
    for facts in (first.facts, resumed):
        tlv, left_out = ssl_tlv(facts, {SslType.CN, SslType.CLIENT_CERT}, 4096)
        assert tlv.verify == facts.verify == code
        assert tlv.client & SslClient.CERT_SESS
        assert [one.type for one in tlv.tlvs] == [SslType.VERSION]
        assert left_out == (LeftOut("SSL_CN", f"the certificate is not verified (verify {code})"),)


@pytest.mark.parametrize("bad", ["refused", "unverified"])
def test_good_certificate_is_verified_with_lists(connect: Connect, serve: Serve, bad: str) -> None:
    server = serve(revocation_list(authority(), made()), policy="optional", bad_client_certificate=bad)
    facts = connect(server, showing(alice())).facts
    assert (facts.verify, facts.client_common_names) == (0, ("alice",))


def test_without_a_certificate_verify_says_so_where_bad_ones_are_tolerated(connect: Connect, serve: Serve) -> None:
    facts = connect(serve(policy="optional", bad_client_certificate="unverified")).facts
    assert (facts.client_certificate, facts.verify) == (None, 1)


def test_certificate_for_clients_is_good(connect: Connect, serve: Serve) -> None:
    assert connect(serve(), showing(made(purpose=ExtendedKeyUsageOID.CLIENT_AUTH))).facts.verify == 0


def test_expired_list_refuses_every_client_of_its_authority(connect: Connect, serve: Serve) -> None:
    server = serve(revocation_list(authority(), days=-1))
    assert str(connect(server, showing(alice())).error) == REFUSED + "CRL has expired"


def test_authority_without_a_list_has_its_clients_refused(connect: Connect, serve: Serve) -> None:
    other = issue(common_name="others", authority=True)
    server = serve(revocation_list(other))
    assert str(connect(server, showing(alice())).error) == REFUSED + "unable to get certificate CRL"


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_new_list_ends_the_sessions_that_the_old_one_allowed(
    connect: Connect, settings: Callable[..., dict[str, Any]], version: ssl.TLSVersion
) -> None:
    servers, context = TlsServers(), showing(alice(), version)

    def read(*lists: bytes) -> TlsServer:
        profile = TlsProfile(name="default", certificates=(), **settings(*lists))
        return servers.get(profile, (certificate("mail.example.org"),), (), read_trust(profile))

    first = connect(read(revocation_list(authority())), context)
    session = first.client.tls.session
    assert connect(read(revocation_list(authority(), made())), context).facts.verify == 0
    again = connect(read(revocation_list(authority(), made())), context, session=session)
    assert (again.facts.resumed, again.facts.verify) == (False, 0)
    revoked = connect(read(revocation_list(authority(), alice())), context, session=again.client.tls.session)
    assert str(revoked.error) == REFUSED + "certificate revoked"


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_new_list_leaves_the_keys_of_the_sessions(
    connect: Connect, settings: Callable[..., dict[str, Any]], version: ssl.TLSVersion
) -> None:
    """A list that comes back allows what it allowed."""
    servers, context = TlsServers(), showing(alice(), version)
    lists = revocation_list(authority()), revocation_list(authority(), made())

    def read(content: bytes) -> TlsServer:
        profile = TlsProfile(name="default", certificates=(), **settings(content))
        return servers.get(profile, (certificate("mail.example.org"),), (), read_trust(profile))

    session = connect(read(lists[0]), context).client.tls.session
    read(lists[1])
    assert connect(read(lists[0]), context, session=session).facts.resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_certificate_is_verified_again_after_a_while(connect: Connect, serve: Serve, version: ssl.TLSVersion) -> None:
    """Each resumption gives a client of TLS 1.3 a new session."""
    now = 0.0
    server, context = serve(clock=lambda: now, ticket_lifetime=300.0), showing(alice(), version)
    session = connect(server, context).client.tls.session
    now = 299.0
    resumed = connect(server, context, session=session)
    assert resumed.facts.resumed
    now = 300.0
    again = connect(server, context, session=resumed.client.tls.session or session)
    assert (again.facts.resumed, again.facts.verify) == (False, 0)
