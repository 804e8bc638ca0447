"""Which context serves which name, and what a renewal leaves alone."""

from __future__ import annotations

import gc
import ssl
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from mailproxy.config import TlsProfile
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.contexts import KEPT_SECONDS, Contexts
from mailproxy.tls.groups import group_certificates
from mailproxy.tls.pem import make_certificate
from mailproxy.tls.server import TlsServer
from mailproxy.tls.staple import read_staple
from mailproxy.transport.poller import Poller
from mailproxy.transport.secure_server import SecureServerStream
from tests.tls.connect import Connect, Owner
from tests.tls.issue import NOW, issue, rsa_key
from tests.tls.servers import NAME, certificate, tls_server
from tests.tls.staples import staple
from tests.transport.peers import TlsPeer, client_context
from tests.transport.relay import raw, unix_pair

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
OTHER = "other.example.org"
VERSIONS = pytest.mark.parametrize("version", [TLS12, TLS13])


def renewed(*names: str) -> Certificate:
    """A certificate that was not there before."""
    return make_certificate("/renewed.pem", issue(*names).pem)


def renew(server: TlsServer, *certificates: Certificate) -> None:
    server.renew(group_certificates(certificates))


@VERSIONS
def test_next_handshake_has_the_new_certificate(connect: Connect, version: ssl.TLSVersion) -> None:
    server, new = tls_server(), renewed(NAME)
    renew(server, new)
    assert connect(server, client_context(version)).served == new.encoded[0]


@VERSIONS
def test_tickets_stay_good(connect: Connect, version: ssl.TLSVersion) -> None:
    server, context = tls_server(), client_context(version)
    first = connect(server, context)
    for _ in range(3):
        renew(server, renewed(NAME))
    assert connect(server, context, session=first.client.tls.session).facts.resumed


@VERSIONS
def test_names_may_come_and_go(connect: Connect, version: ssl.TLSVersion) -> None:
    server, context, new = tls_server(), client_context(version), renewed(OTHER)
    renew(server, certificate(NAME), new)
    assert connect(server, context, OTHER).served == new.encoded[0]
    renew(server, certificate(NAME))
    assert connect(server, context, OTHER).served == certificate(NAME).encoded[0]


@VERSIONS
def test_handshake_that_has_begun_continues_with_its_certificate(version: ssl.TLSVersion) -> None:
    server = tls_server(certificate(NAME), certificate(OTHER))
    ours, theirs = unix_pair()
    poller = Poller()
    stream = SecureServerStream(raw(ours), poller, Owner(), server)
    client = TlsPeer(theirs, client_context(version), NAME, None)
    assert stream.handshake()
    for _ in range(3):
        renew(server, renewed(NAME), renewed(OTHER))
    gc.collect()
    waits = 1
    while waits:
        assert client.pull() or client.secured
        waits = stream.handshake()
    client.pull()
    assert client.tls.getpeercert(binary_form=True) == certificate(NAME).encoded[0]
    assert server.facts(stream.ssl).certificate_key_alg == "EC256"
    stream.close()
    client.socket.close()
    poller.close()


class Made:
    """Makes contexts, and remembers of which certificates; each certificate gets an identity of its own."""

    def __init__(self) -> None:
        self.certificates: list[Certificate] = []

    def __call__(self, certificates: tuple[Certificate, ...]) -> tuple[SSL.Context, tuple[int, ...]]:
        begin = len(self.certificates)
        self.certificates += certificates
        return SSL.Context(SSL.TLS_METHOD), tuple(range(begin, len(self.certificates)))


def test_renewal_leaves_the_contexts_of_others_alone() -> None:
    contexts = Contexts(Made(), group_certificates([certificate(NAME), certificate(OTHER)]))
    before = contexts.for_name(OTHER)
    contexts.replace(group_certificates([renewed(NAME), certificate(OTHER)]))
    assert contexts.for_name(OTHER) is before


def test_context_is_made_with_the_first_client() -> None:
    made = Made()
    contexts = Contexts(made, group_certificates([certificate(NAME), certificate(OTHER)]))
    assert made.certificates == [certificate(NAME)]
    contexts.for_name(OTHER)
    assert made.certificates == [certificate(NAME), certificate(OTHER)]


def test_weak_key_is_refused_before_a_client_asks_for_its_name(connect: Connect) -> None:
    server = tls_server()
    weak = make_certificate("/weak.pem", issue(OTHER, key=rsa.generate_private_key(65537, 1024)).pem)
    with pytest.raises(ValueError, match=r"/weak\.pem: ee key too small"):
        renew(server, certificate(NAME), weak)
    assert connect(server, server_name=OTHER).served == certificate(NAME).encoded[0]


def test_certificates_that_have_gone_are_forgotten() -> None:
    now = 0.0
    made = Made()
    contexts = Contexts(made, group_certificates([certificate(NAME)]), lambda: now)
    for _ in range(100):
        contexts.replace(group_certificates([renewed(NAME)]))
        now += KEPT_SECONDS / 2
    known = [contexts.certificate(identity) for identity in range(len(made.certificates))]
    assert known[:-4] == [None] * 97
    assert known[-1] is made.certificates[-1]


def test_server_leaves_no_cycle_that_stays() -> None:
    server = weakref.ref(tls_server())
    gc.collect()
    assert server() is None


# Names that no certificate has


@VERSIONS
@pytest.mark.parametrize("certificates", [(NAME,), (NAME, OTHER)])
def test_client_that_asks_for_another_name_is_refused_where_names_are_strict(
    connect: Connect, version: ssl.TLSVersion, certificates: tuple[str, ...]
) -> None:
    server = tls_server(*map(certificate, certificates), strict_sni=True)
    connection = connect(server, client_context(version), "nobody.example.org")
    assert str(connection.error) == (
        "the client asks for nobody.example.org, which no certificate is for, and the profile has strict-sni"
    )
    assert connection.client.alert == "TLSV1_UNRECOGNIZED_NAME"


def test_what_is_no_name_is_not_shown(connect: Connect) -> None:
    connection = connect(tls_server(strict_sni=True), client_context(TLS13), "a reason=x")
    assert str(connection.error) == (
        "the client asks for something that is no host name, which no certificate is for, "
        "and the profile has strict-sni"
    )


@pytest.mark.parametrize(
    ("version", "alert"), [(TLS12, "TLSV1_UNRECOGNIZED_NAME"), (TLS13, "TLSV13_ALERT_MISSING_EXTENSION")]
)
def test_client_that_asks_for_no_name_is_refused_where_names_are_strict(
    connect: Connect, version: ssl.TLSVersion, alert: str
) -> None:
    connection = connect(tls_server(strict_sni=True), client_context(version), None)
    assert str(connection.error) == "the client asks for no server name, and the profile has strict-sni"
    assert connection.client.alert == alert


@VERSIONS
def test_client_that_asks_for_a_name_is_served_where_names_are_strict(
    connect: Connect, version: ssl.TLSVersion
) -> None:
    server, context = tls_server(strict_sni=True), client_context(version)
    first = connect(server, context)
    assert first.served == certificate(NAME).encoded[0]
    assert connect(server, context, session=first.client.tls.session).facts.resumed


# Chains


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_each_kind_of_key_has_a_chain_of_its_own(kind: str) -> None:
    authorities = {name: issue(common_name=name, authority=True) for name in ("ECDSA", "RSA")}
    server = tls_server(
        *(
            make_certificate(
                f"/{name}.pem",
                issue(NAME, key=rsa_key() if name == "RSA" else None, issuer=authority).pem + authority.certificate_pem,
            )
            for name, authority in authorities.items()
        )
    )
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(f"ECDHE-{kind}-AES128-GCM-SHA256".encode())
    with shaken_hands(server, context) as client:
        sent = client.get_peer_cert_chain(as_cryptography=True)
    assert sent is not None
    assert sent[1:] == [authorities[kind].certificate]


# OCSP responses


@contextmanager
def shaken_hands(server: TlsServer, context: SSL.Context, name: str = NAME) -> Iterator[SSL.Connection]:
    """A pyOpenSSL client after its handshake, with a request for an OCSP response."""
    ours, theirs = unix_pair()
    poller = Poller()
    stream = SecureServerStream(raw(ours), poller, Owner(), server)
    theirs.setblocking(False)
    client = SSL.Connection(context, theirs)
    client.set_tlsext_host_name(name.encode())
    client.request_ocsp()
    client.set_connect_state()
    for _ in range(4):
        with suppress(SSL.WantReadError):
            client.do_handshake()
        if not stream.handshake():
            break
    with suppress(SSL.WantReadError):
        client.do_handshake()
    yield client
    stream.close()
    theirs.close()
    poller.close()


def asked(server: TlsServer, version: ssl.TLSVersion, name: str = NAME) -> bytes:
    """The OCSP response that a client gets; empty for none."""
    got: list[bytes] = []

    def take(connection: SSL.Connection, response: bytes, data: object) -> bool:
        got.append(response)
        return True

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    context.set_ocsp_client_callback(take)
    with shaken_hands(server, context, name):
        pass
    (response,) = got
    return response


AUTHORITY = issue(common_name="authority", authority=True)
MAIL = issue(NAME, issuer=AUTHORITY)


def with_staple(days: int = 3) -> Certificate:
    """A certificate with its OCSP response."""
    made = make_certificate("/mail.pem", MAIL.pem + AUTHORITY.certificate_pem)
    encoded = staple(MAIL, AUTHORITY, days=days)
    return evolve(made, staple=read_staple(encoded, MAIL.certificate, AUTHORITY.certificate, NOW))


@VERSIONS
def test_staple_is_sent_with_its_certificate(version: ssl.TLSVersion) -> None:
    stapled = with_staple()
    assert stapled.staple is not None
    server = tls_server(certificate(OTHER), stapled)
    assert asked(server, version) == stapled.staple.encoded
    assert asked(server, version, OTHER) == b""


@VERSIONS
def test_staple_is_renewed_in_place(version: ssl.TLSVersion) -> None:
    server, new = tls_server(with_staple()), with_staple(days=5)
    before = server.context
    renew(server, new)
    assert new.staple is not None
    assert asked(server, version) == new.staple.encoded
    assert server.context is before


@VERSIONS
def test_staple_that_is_out_of_date_is_not_sent(version: ssl.TLSVersion) -> None:
    now = NOW
    profile = TlsProfile(name="default", certificates=())
    server = TlsServer(profile, group_certificates([with_staple()]), wall_clock=lambda: now)
    assert asked(server, version)
    now += timedelta(days=4)
    assert asked(server, version) == b""
