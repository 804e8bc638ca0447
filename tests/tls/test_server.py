"""The negotiation of one frontend's TLS with real clients, and its facts."""

from __future__ import annotations

import datetime
import gc
import ssl
from functools import cache
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from mailproxy.config import TlsProfile
from mailproxy.tls import openssl
from mailproxy.tls.callbacks import INTERNAL_ERROR
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.flight import Flight
from mailproxy.tls.groups import group_certificates
from mailproxy.tls.pem import make_certificate
from mailproxy.tls.server import TlsServer
from mailproxy.tls.subject import common_names
from tests.tls.connect import Connect, Connection
from tests.tls.issue import issue, rsa_key
from tests.tls.servers import NAME, certificate, tls_server
from tests.transport.peers import TlsPeer, client_context

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class InPieces(TlsPeer):
    """A client that sends its ClientHello in pieces, one with each `pull`."""

    _pieces: list[bytes]

    def split(self, hello: bytes) -> list[bytes]:
        """Return the pieces."""
        return [hello[:1], hello[1:4], hello[4:70], hello[70:-1], hello[-1:]]

    def send_raw(self, data: bytes) -> None:
        """Send bytes, after the first ones if these are still held back."""
        if self.first:
            super().send_raw(data)
        else:
            self._pieces = self.split(data)

    def pull(self) -> bool:
        """Send the next piece, and read all there is."""
        if self._pieces:
            super().send_raw(self._pieces.pop(0))
        return super().pull()


class InRecords(InPieces):
    """A client that sends its ClientHello in two records."""

    def split(self, hello: bytes) -> list[bytes]:
        """Return the records."""
        pieces = (hello[5:100], hello[100:])
        return [hello[:3] + len(piece).to_bytes(2) + piece for piece in pieces]


# Versions and ciphers.


@pytest.mark.parametrize(("version", "name"), [(TLS12, "TLSv1.2"), (TLS13, "TLSv1.3")])
def test_version_is_reported(connect: Connect, version: ssl.TLSVersion, name: str) -> None:
    assert connect(tls_server(), client_context(version)).facts.version == name


def test_cipher_of_tls_1_3_is_reported_in_openssl_s_words(connect: Connect) -> None:
    assert connect(tls_server()).facts.cipher == "TLS_AES_128_GCM_SHA256"


def test_cipher_of_tls_1_2_is_reported_in_openssl_s_words(connect: Connect) -> None:
    context = client_context(TLS12)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    assert connect(tls_server(), context).facts.cipher == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_group_is_reported(connect: Connect) -> None:
    context = client_context()
    context.set_ecdh_curve("prime256v1")
    assert connect(tls_server(), context).facts.group == "secp256r1"


def test_without_a_key_exchange_there_is_no_group(connect: Connect) -> None:
    context = client_context(TLS12)
    context.set_ciphers("AES256-GCM-SHA384")
    server = tls_server(make_certificate("/rsa.pem", issue(NAME, key=rsa_key()).pem), ciphers="AES256-GCM-SHA384")
    assert connect(server, context).facts.group is None


@pytest.mark.parametrize(("limits", "client"), [({"min_version": "1.3"}, TLS12), ({"max_version": "1.2"}, TLS13)])
def test_versions_outside_the_limits_are_refused(
    connect: Connect, limits: dict[str, Any], client: ssl.TLSVersion
) -> None:
    connection = connect(tls_server(**limits), client_context(client))
    assert str(connection.error) == "unsupported protocol"
    assert "PROTOCOL_VERSION" in connection.client.alert


def test_limits_hold_for_every_certificate(connect: Connect) -> None:
    server = tls_server(certificate(NAME), certificate("other.example.org"), min_version="1.3")
    assert connect(server, client_context(TLS12), "other.example.org").error is not None


def test_server_prefers_its_own_order_of_ciphers(connect: Connect) -> None:
    context = client_context(TLS12)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    server = tls_server(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    assert connect(server, context).facts.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_cipher_suites_of_tls_1_3_are_those_of_the_profile(connect: Connect) -> None:
    server = tls_server(ciphersuites="TLS_CHACHA20_POLY1305_SHA256")
    assert connect(server).facts.cipher == "TLS_CHACHA20_POLY1305_SHA256"


@pytest.mark.parametrize(("cbc", "is_served"), [(True, True), (False, False)])
@pytest.mark.parametrize("cipher", ["ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES128-SHA256"])
def test_old_client_is_served_unless_cbc_is_off(connect: Connect, cipher: str, cbc: bool, is_served: bool) -> None:
    context = client_context(TLS12)
    context.set_ciphers(cipher)
    server = tls_server(make_certificate("/rsa.pem", issue(NAME, key=rsa_key()).pem), cbc_ciphers=cbc)
    assert (connect(server, context).error is None) == is_served


def test_cipher_without_forward_secrecy_is_not_served(connect: Connect) -> None:
    context = client_context(TLS12)
    context.set_ciphers("AES128-GCM-SHA256")
    server = tls_server(make_certificate("/rsa.pem", issue(NAME, key=rsa_key()).pem))
    assert str(connect(server, context).error) == "no shared cipher"


def test_groups_are_those_of_the_profile(connect: Connect) -> None:
    server = tls_server(groups="P-384")
    assert connect(server).facts.group == "secp384r1"
    context = client_context()
    context.set_ecdh_curve("prime256v1")
    assert connect(server, context).error is not None


@pytest.mark.parametrize(("settings", "group"), [({}, "X25519MLKEM768"), ({"groups": "X25519"}, "x25519")])
def test_client_that_has_a_hybrid_group_gets_it(settings: dict[str, Any], group: str) -> None:
    assert shake_hands(tls_server(**settings), SSL.Context(SSL.TLS_CLIENT_METHOD)).get_group_name() == group


@pytest.mark.parametrize("others", ["X25519:X25519MLKEM768", "X25519", "P-256"])
def test_client_is_not_asked_for_another_key_share(others: str) -> None:
    """Whatever it could do better, it would cost a round trip."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    assert not openssl.objection(context, "groups", others)
    assert shake_hands(tls_server(), context).get_group_name() != "X25519MLKEM768"


def shake_hands(server: TlsServer, context: SSL.Context) -> SSL.Connection:
    """A client with our own OpenSSL, after a handshake of one round trip."""
    client = SSL.Connection(context)
    client.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    hello = client.bio_read(65536)
    ssl = server.connection(hello)
    flight = Flight(ssl)
    flight.go_on(hello, len(hello))
    room = openssl.ffi.new("char[]", 65536)
    client.bio_write(bytes(openssl.ffi.buffer(room, flight.outgoing(room, 65536))))
    client.do_handshake()
    openssl.free(ssl)
    return client


def test_signatures_are_those_of_the_profile(connect: Connect) -> None:
    server = tls_server(certificate(NAME), signature_algorithms="rsa_pss_rsae_sha256")
    assert str(connect(server).error) == "no suitable signature algorithm"


def test_client_without_a_common_cipher_is_refused(connect: Connect) -> None:
    context = client_context(TLS12)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    server = tls_server(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    assert str(connect(server, context).error) == "no shared cipher"


@pytest.mark.parametrize("key", ["ciphers", "ciphersuites", "groups", "signature_algorithms"])
def test_list_that_openssl_refuses_is_a_value_error(key: str) -> None:
    settings: dict[str, Any] = {key: "no such name"}
    with pytest.raises(ValueError, match=f"{key.replace('_', '-')}: ."):
        tls_server(**settings)


# Certificates.


def test_name_in_another_case_and_with_a_dot_is_found(connect: Connect) -> None:
    server = tls_server(certificate("first.example.org"), certificate(NAME))
    connection = connect(server, server_name="MAIL.Example.ORG.")
    assert connection.served == der(certificate(NAME))
    assert connection.facts.server_name == "MAIL.Example.ORG."


def der(certificate: Certificate) -> bytes:
    return certificate.leaf.public_bytes(Encoding.DER)


WILDCARD = "*.example.org"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("mail.example.org", "mail.example.org"),
        ("imap.example.org", WILDCARD),
        ("a.b.example.org", "default.example.net"),
        ("example.org", "default.example.net"),
        ("mail.example.com", "default.example.net"),
        (None, "default.example.net"),
    ],
)
def test_name_decides_the_certificate(connect: Connect, asked: str | None, expected: str) -> None:
    names = ("default.example.net", "mail.example.org", WILDCARD)
    server = tls_server(*(certificate(name) for name in names))
    assert connect(server, server_name=asked).served == der(certificate(expected))


def test_both_kinds_of_key_are_served_for_one_name(connect: Connect) -> None:
    elliptic = certificate(NAME)
    plain = make_certificate("/rsa.pem", issue(NAME, key=rsa_key()).pem)
    server = tls_server(elliptic, plain)
    context = client_context(TLS12)
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with_rsa = connect(server, context)
    assert with_rsa.served == der(plain)
    assert (with_rsa.facts.certificate_key_alg, with_rsa.facts.certificate_sig_alg) == ("RSA2048", "RSA-SHA256")
    with_ec = connect(server)
    assert with_ec.served == der(elliptic)
    assert (with_ec.facts.certificate_key_alg, with_ec.facts.certificate_sig_alg) == ("EC256", "ecdsa-with-SHA256")


def test_facts_are_of_the_certificate_that_the_name_chose(connect: Connect) -> None:
    plain = make_certificate("/rsa.pem", issue("rsa.example.org", key=rsa_key()).pem)
    server = tls_server(certificate(NAME), plain)
    assert connect(server, server_name="rsa.example.org").facts.certificate_key_alg == "RSA2048"


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_chain_is_sent(connect: Connect, version: ssl.TLSVersion) -> None:
    authority = trustme.CA()
    between = authority.create_child_ca()
    leaf = between.issue_cert(NAME)
    pem = leaf.private_key_pem.bytes() + b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    authority.configure_trust(context)
    assert connect(tls_server(make_certificate("/chained.pem", pem)), context).facts.version


@pytest.mark.parametrize("name", [NAME, "Mail.Example.Org", "xn--bcher-kva.example", None])
def test_server_name_is_reported_as_the_client_sent_it(connect: Connect, name: str | None) -> None:
    assert connect(tls_server(), server_name=name).facts.server_name == name


def test_key_that_openssl_thinks_weak_is_a_value_error() -> None:
    weak = make_certificate("/weak.pem", issue(NAME, key=rsa.generate_private_key(65537, 1024)).pem)
    with pytest.raises(ValueError, match=r"/weak\.pem: ee key too small"):
        tls_server(weak)


# ALPN.


def test_first_of_our_protocols_that_the_client_offers_is_agreed_on(connect: Connect) -> None:
    context = client_context()
    context.set_alpn_protocols(["pop3", "managesieve", "imap"])
    connection = connect(tls_server(alpn=("imap", "pop3")), context)
    assert connection.facts.alpn == b"imap"
    assert connection.client.tls.selected_alpn_protocol() == "imap"


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("offered", [["h2", "http/1.1"], ["acme-tls/1"], ["pop3"], ["IMAP"], ["imap4"]])
def test_client_that_offers_other_protocols_alone_is_refused(
    connect: Connect, offered: list[str], version: ssl.TLSVersion
) -> None:
    """An attacker may have redirected it (ALPACA)."""
    context = client_context(version)
    context.set_alpn_protocols(offered)
    connection = connect(tls_server(alpn=("imap",)), context)
    assert str(connection.error) == "no application protocol"
    assert connection.error is not None
    assert not connection.error.is_theirs
    assert "no application protocol" in connection.client.alert


def test_session_is_not_resumed_for_another_protocol(connect: Connect) -> None:
    server, context = tls_server(alpn=("imap",)), client_context()
    session = connect(server, context).client.tls.session
    context.set_alpn_protocols(["http/1.1"])
    assert str(connect(server, context, session=session).error) == "no application protocol"


def test_offers_are_ignored_without_protocols_of_our_own(connect: Connect) -> None:
    context = client_context()
    context.set_alpn_protocols(["imap"])
    assert connect(tls_server(), context).facts.alpn is None


def test_client_that_offers_no_protocol_gets_none(connect: Connect) -> None:
    assert connect(tls_server(alpn=("imap",))).facts.alpn is None


def test_protocol_is_agreed_on_whatever_the_certificate(connect: Connect) -> None:
    context = client_context()
    context.set_alpn_protocols(["imap"])
    server = tls_server(certificate(NAME), certificate("other.example.org"), alpn=("imap",))
    assert connect(server, context, "other.example.org").facts.alpn == b"imap"


# Resumption.


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_sessions_are_resumed(connect: Connect, version: ssl.TLSVersion) -> None:
    server, context = tls_server(), client_context(version)
    first = connect(server, context)
    assert not first.facts.resumed
    second = connect(server, context, session=first.client.tls.session)
    assert second.facts.resumed
    assert second.facts.server_name == NAME


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_resumed_sessions_report_the_certificate_that_was_served(connect: Connect, version: ssl.TLSVersion) -> None:
    server = tls_server(make_certificate("/rsa.pem", issue("rsa.org", key=rsa_key()).pem), certificate(NAME))
    context = client_context(version)
    first = connect(server, context)
    second = connect(server, context, session=first.client.tls.session)
    assert second.facts.certificate_key_alg == "EC256"


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_without_tickets_nothing_is_resumed(connect: Connect, version: ssl.TLSVersion) -> None:
    server, context = tls_server(tickets=False), client_context(version)
    first = connect(server, context)
    assert not connect(server, context, session=first.client.tls.session).facts.resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_ticket_says_how_long_it_is_good(connect: Connect, version: ssl.TLSVersion) -> None:
    session = connect(tls_server(ticket_lifetime=300.0), client_context(version)).client.tls.session
    assert session is not None
    assert session.ticket_lifetime_hint == 300


def test_other_server_does_not_resume_its_neighbour_s_sessions(connect: Connect) -> None:
    context = client_context()
    first = connect(tls_server(), context)
    assert not connect(tls_server(), context, session=first.client.tls.session).facts.resumed


@pytest.mark.parametrize("asked", ["imap.example.org", None])
@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_session_does_not_keep_the_name_that_another_connection_asked_for(
    connect: Connect, version: ssl.TLSVersion, asked: str | None
) -> None:
    """TLS 1.2 has to do without the session for that (RFC 6066 section 3)."""
    server, context = tls_server(), client_context(version)
    first = connect(server, context)
    second = connect(server, context, asked, session=first.client.tls.session)
    assert second.facts.server_name == asked
    assert second.facts.resumed == (version == TLS13)


def test_session_without_a_name_is_not_resumed_under_one(connect: Connect) -> None:
    server, context = tls_server(), client_context(TLS12)
    first = connect(server, context, None)
    second = connect(server, context, NAME, session=first.client.tls.session)
    assert (second.facts.server_name, second.facts.resumed) == (NAME, False)
    assert connect(server, context, None, session=first.client.tls.session).facts.resumed


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_clienthello_may_come_in_pieces(connect: Connect, version: ssl.TLSVersion) -> None:
    server, context = tls_server(), client_context(version)
    first = connect(server, context, client=InPieces)
    second = connect(server, context, session=first.client.tls.session, client=InPieces)
    assert (second.facts.server_name, second.facts.resumed) == (NAME, True)


@pytest.mark.parametrize("client", [InPieces, InRecords])
@pytest.mark.parametrize("asked", ["imap.example.org", None])
def test_clienthello_in_pieces_does_not_resume_under_another_name(
    connect: Connect, asked: str | None, client: type[TlsPeer]
) -> None:
    server, context = tls_server(), client_context(TLS12)
    session = connect(server, context, client=client).client.tls.session
    facts = connect(server, context, asked, session, client).facts
    assert (facts.server_name, facts.resumed) == (asked, False)


def test_clienthello_in_records_resumes_nothing(connect: Connect) -> None:
    """Its name is not looked for in them: no client of TLS 1.2 sends such a thing."""
    server, context = tls_server(), client_context(TLS12)
    for _ in range(2):
        session = connect(server, context, client=InRecords).client.tls.session
        assert not connect(server, context, session=session, client=InRecords).facts.resumed


@pytest.mark.parametrize("name", [NAME, "other.org"])
def test_session_of_tls_1_2_is_resumed_under_its_own_name(connect: Connect, name: str) -> None:
    """Whatever certificate that chooses, and in whatever case it is written."""
    server, context = tls_server(certificate(NAME), certificate("other.org")), client_context(TLS12)
    first = connect(server, context, name)
    second = connect(server, context, name.upper(), session=first.client.tls.session)
    assert second.facts.resumed


# Client certificates.


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def client_ca(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("ca") / "clients.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


def with_certificate(issued: trustme.LeafCert, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = client_context(version)
    issued.configure_cert(context)
    return context


def alice() -> trustme.LeafCert:
    return authority().issue_cert("alice@example.org", common_name="alice")


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("policy", ["optional", "required"])
def test_good_certificate_is_reported_with_its_name(
    connect: Connect, client_ca: str, policy: str, version: ssl.TLSVersion
) -> None:
    issued = alice()
    server = tls_server(client_certificates=policy, client_ca=(client_ca,))
    facts = connect(server, with_certificate(issued, version)).facts
    assert facts.client_certificate == ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    assert facts.client_common_names == ("alice",)
    assert facts.verify == 0


def test_good_certificate_is_verified_whatever_the_server_name(connect: Connect, client_ca: str) -> None:
    server = tls_server(
        certificate(NAME), certificate("other.example.org"), client_certificates="required", client_ca=(client_ca,)
    )
    assert connect(server, with_certificate(alice()), "other.example.org").facts.verify == 0


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_resumed_session_still_reports_the_certificate(
    connect: Connect, client_ca: str, version: ssl.TLSVersion
) -> None:
    server = tls_server(client_certificates="required", client_ca=(client_ca,))
    context = with_certificate(alice(), version)
    first = connect(server, context)
    facts = connect(server, context, session=first.client.tls.session).facts
    assert (facts.resumed, facts.client_common_names, facts.verify) == (True, ("alice",), 0)


def test_no_certificate_is_no_obstacle_where_it_is_optional(connect: Connect, client_ca: str) -> None:
    facts = connect(tls_server(client_certificates="optional", client_ca=(client_ca,))).facts
    assert (facts.client_certificate, facts.client_common_names, facts.verify) == (None, (), 1)


def test_no_certificate_is_refused_where_it_is_required(connect: Connect, client_ca: str) -> None:
    connection = connect(tls_server(client_certificates="required", client_ca=(client_ca,)))
    assert str(connection.error) == "peer did not return a certificate"


@pytest.mark.parametrize("policy", ["optional", "required"])
def test_certificate_of_another_authority_is_refused(connect: Connect, client_ca: str, policy: str) -> None:
    server = tls_server(client_certificates=policy, client_ca=(client_ca,))
    mallory = trustme.CA().issue_cert("alice@example.org", common_name="alice")
    connection = connect(server, with_certificate(mallory))
    assert str(connection.error) == "the client's certificate verify failed: unable to get local issuer certificate"
    assert connection.error is not None
    assert not connection.error.is_theirs


def test_expired_certificate_is_refused(connect: Connect, client_ca: str) -> None:
    server = tls_server(client_certificates="optional", client_ca=(client_ca,))
    long_ago = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
    expired = authority().issue_cert("alice@example.org", not_before=long_ago, not_after=long_ago)
    reason = "the client's certificate verify failed: certificate has expired"
    assert str(connect(server, with_certificate(expired)).error) == reason


def test_certificates_are_not_asked_for_without_need(connect: Connect) -> None:
    facts = connect(tls_server(), with_certificate(alice())).facts
    assert (facts.client_certificate, facts.verify) == (None, 1)


def test_clients_get_the_names_of_the_authorities(client_ca: str, connect: Connect) -> None:
    connection = connect(tls_server(client_certificates="optional", client_ca=(client_ca,)))
    assert connection.facts.verify == 1
    raw_list = openssl.lib.SSL_get_client_CA_list(connection.stream.ssl)
    assert openssl.lib.sk_X509_NAME_num(raw_list) == 1


def test_file_without_authorities_is_a_value_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(ValueError, match="no certificate"):
        tls_server(client_certificates="optional", client_ca=(str(empty),))


def test_every_common_name_is_reported_in_order() -> None:
    assert common_names(issue(common_name="alice").certificate.public_bytes(Encoding.DER)) == ("alice",)
    assert common_names(b"no certificate") == ()


# The end of a server.


def test_server_goes_with_its_last_connection() -> None:
    server = tls_server(certificate(NAME), certificate("imap.example.org"), alpn=("imap",), keylog="/dev/null")
    gone = ref(server)
    gc.disable()
    try:
        connection = Connection(server)
        del server
        assert connection.facts.server_name == NAME
        connection.close()
        del connection
        assert gone() is None
    finally:
        gc.enable()


def test_server_keeps_the_ticket_keys_of_one_that_is_gone(connect: Connect) -> None:
    previous, context = tls_server(), client_context()
    first = Connection(previous, context)
    session = first.client.tls.session
    first.close()
    groups = group_certificates((certificate(NAME), certificate("other.example.org")))
    server = TlsServer(TlsProfile(name="default", certificates=()), groups, keys_of=previous)
    gone = ref(previous)
    del first, previous
    assert gone() is None
    assert connect(server, context, session=session).facts.resumed
    assert connect(server, server_name="other.example.org").facts.server_name == "other.example.org"


def test_callbacks_of_a_server_that_is_gone_refuse() -> None:
    server = tls_server()
    ssl = server.connection(b"")
    keys = server.ticket_keys
    del server
    on_name, on_status = keys.callbacks.on_name, keys.callbacks.on_status
    alert = openssl.ffi.new("int *")
    try:
        assert on_name(ssl, alert, openssl.ffi.NULL) == openssl.lib.SSL_TLSEXT_ERR_ALERT_FATAL
        assert alert[0] == INTERNAL_ERROR
        assert on_status(ssl, openssl.ffi.NULL) == openssl.lib.SSL_TLSEXT_ERR_ALERT_FATAL
    finally:
        openssl.free(ssl)
