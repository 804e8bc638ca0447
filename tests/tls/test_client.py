"""TLS towards servers: settings, and what is verified in real handshakes in memory."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from mailproxy.config import ServerTls
from mailproxy.tls import openssl
from mailproxy.tls.certificates import read_authorities
from mailproxy.tls.client import CertificateRefused, ClientTls, client_context, client_sides
from mailproxy.tls.server_files import ServerFiles
from tests.tls.issue import Issued, issue
from tests.tls.servers import NAME, client_tls, server_context

ROOT = issue(common_name="Root", authority=True)
MIDDLE = issue(common_name="Middle", authority=True, issuer=ROOT)


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """A file with the root alone."""
    return write(tmp_path / "ca.pem", ROOT.certificate_pem)


def write(path: Path, pem: bytes) -> str:
    path.write_bytes(pem)
    return str(path)


def shake_hands(tls: ClientTls, leaf: Issued, *chain: Issued) -> None:
    """Shake hands with a server; OSError why it is refused."""
    pem = leaf.pem + b"".join(issued.certificate_pem for issued in chain)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = server_context(pem).wrap_bio(incoming, outgoing, server_side=True)
        connection = tls.connect(tls.server_name(None), "")
        openssl.lib.SSL_set_fd(connection, ours.fileno())
        try:
            result = openssl.do_handshake(connection)
            while result != 1:
                code = openssl.get_error(connection, result)
                if code != openssl.WANT_READ:
                    raise tls.failure(connection, openssl.reason())
                incoming.write(theirs.recv(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    server.do_handshake()
                theirs.send(outgoing.read())
                result = openssl.do_handshake(connection)
            tls.verify(connection)
        finally:
            openssl.free(connection)


def refusal(tls: ClientTls, leaf: Issued, *chain: Issued) -> str:
    with pytest.raises(CertificateRefused) as raised:
        shake_hands(tls, leaf, *chain)
    return str(raised.value)


# What is verified.


def test_chain_to_a_trusted_authority_is_good(ca: str) -> None:
    shake_hands(client_tls(verify="required", ca=ca), issue(NAME, issuer=MIDDLE), MIDDLE)


def test_server_s_own_certificate_may_be_trusted(tmp_path: Path) -> None:
    own = issue(NAME)
    shake_hands(client_tls(verify="required", ca=write(tmp_path / "own.pem", own.certificate_pem)), own)


def test_chain_that_misses_a_link_is_refused(ca: str) -> None:
    reason = refusal(client_tls(verify="required", ca=ca), issue(NAME, issuer=MIDDLE))
    assert reason == f"certificate comes from CN=Middle, which is not in {ca}"


def test_unknown_authority_is_refused(ca: str) -> None:
    stranger = issue(common_name="Stranger", authority=True)
    reason = refusal(client_tls(verify="required", ca=ca), issue(NAME, issuer=stranger), stranger)
    assert reason == f"certificate comes from CN=Stranger, which is not in {ca}"


def test_self_signed_certificate_is_refused(ca: str) -> None:
    reason = refusal(client_tls(verify="required", ca=ca), issue(NAME))
    assert reason == f"certificate is self-signed, and not in {ca}"


def test_expired_certificate_is_refused(ca: str) -> None:
    reason = refusal(client_tls(verify="required", ca=ca), issue(NAME, issuer=ROOT, days=-2))
    assert reason.startswith("certificate expired on 20")


def test_early_certificate_is_refused(ca: str) -> None:
    reason = refusal(client_tls(verify="required", ca=ca), issue(NAME, issuer=ROOT, since=2))
    assert reason.startswith("certificate is not valid before 20")


def test_other_name_is_refused(ca: str) -> None:
    reason = refusal(client_tls(verify="required", ca=ca), issue("other.example.org", issuer=ROOT))
    assert reason == f"certificate is for other.example.org, not for {NAME}"


def test_address_is_verified_as_such(ca: str) -> None:
    tls = client_tls("10.0.0.1", verify="required", ca=ca)
    shake_hands(tls, issue("10.0.0.1", issuer=ROOT))
    assert refusal(tls, issue(NAME, issuer=ROOT)) == f"certificate is for {NAME}, not for 10.0.0.1"


def test_verified_name_may_be_another_than_the_host_s(ca: str) -> None:
    shake_hands(client_tls("10.0.0.1", verify="required", ca=ca, verify_name=NAME), issue(NAME, issuer=ROOT))


def test_fixed_server_name_is_what_is_verified(ca: str) -> None:
    shake_hands(client_tls("10.0.0.1", verify="required", ca=ca, sni=NAME), issue(NAME, issuer=ROOT))


def test_nothing_is_verified_where_that_is_configured() -> None:
    shake_hands(client_tls(verify="none"), issue("other.example.org", days=-2))


def test_system_s_authorities_are_trusted_by_default(ca: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL takes them from where its variable says, if it is set."""
    monkeypatch.setenv("SSL_CERT_FILE", ca)
    shake_hands(client_tls(verify="required"), issue(NAME, issuer=ROOT))


def test_authority_that_the_system_does_not_know_is_refused(ca: str) -> None:
    reason = refusal(client_tls(verify="required"), issue(NAME, issuer=ROOT))
    assert reason == "certificate comes from CN=Root, which is not in the system's authorities"


def test_certificate_that_was_seen_before_is_not_read_again(ca: str) -> None:
    judged = []

    def judge(certificate: Any, name: str) -> str:
        judged.append(name)
        return ""

    settings = ServerTls(verify="required", ca=ca)
    tls = ClientTls(settings, NAME, client_context(settings), judge)
    leaf = issue(NAME, issuer=ROOT)
    for _ in range(2):
        shake_hands(tls, leaf)
    assert judged == [NAME]


# The server name.


@pytest.mark.parametrize(
    ("settings", "host", "clients", "asked"),
    [
        ({}, "imap.example.org", None, "imap.example.org"),
        ({}, "imap.example.org", "other.example.org", "imap.example.org"),
        ({}, "10.0.0.1", None, ""),
        ({"verify": "none"}, None, None, ""),
        ({"verify_name": NAME}, "10.0.0.1", None, NAME),
        ({"verify_name": "10.0.0.2"}, "imap.example.org", None, ""),
        ({"sni": "b.example.org"}, "imap.example.org", None, "b.example.org"),
        ({"sni": "b.example.org", "verify_name": NAME}, "imap.example.org", None, "b.example.org"),
        ({"sni": "client", "verify_name": NAME}, "10.0.0.1", "a.example.org", "a.example.org"),
        ({"sni": "client", "verify_name": NAME}, "10.0.0.1", None, NAME),
        ({"sni": "client", "verify_name": NAME}, "10.0.0.1", "10.0.0.9", NAME),
        ({"sni": "client", "verify_name": NAME}, "10.0.0.1", "a b\n", NAME),
    ],
)
def test_server_name_is_what_a_server_is_asked_for(
    settings: dict[str, Any], host: str | None, clients: str | None, asked: str
) -> None:
    assert client_tls(host, **{"verify": "required"} | settings).server_name(clients) == asked


def test_server_without_a_name_needs_one() -> None:
    with pytest.raises(ValueError, match="needs verify-name"):
        client_tls(None, verify="required")


def test_name_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ValueError, match="neither a host name nor an IP address"):
        client_tls(verify="required", verify_name="no name")


# Files.


def test_missing_authorities_are_refused() -> None:
    with pytest.raises(ValueError, match="/nonexistent: cannot be read: No such file"):
        client_context(ServerTls(ca="/nonexistent"))


def test_file_without_authorities_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.pem", b"nothing")
    with pytest.raises(ValueError, match="has no certificate"):
        client_context(ServerTls(ca=path))


def test_missing_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="/nonexistent: does not exist"):
        client_context(ServerTls(certificate="/nonexistent"))


def test_certificate_without_a_key_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cert.pem", issue("proxy").certificate_pem)
    with pytest.raises(ValueError, match="has no private key"):
        client_context(ServerTls(certificate=path))


def test_several_certificates_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.pem", issue(name).pem)
    with pytest.raises(ValueError, match="matches 2 certificates, needs one"):
        client_context(ServerTls(certificate=f"{tmp_path}/*.pem"))


def test_files_that_were_read_elsewhere_are_used(ca: str) -> None:
    settings = ServerTls(ca="/elsewhere/ca.pem", verify_name=NAME)
    files = ServerFiles({"/elsewhere/ca.pem": read_authorities(ca)})
    shake_hands(ClientTls(settings, None, client_context(settings, files)), issue(NAME, issuer=ROOT))


# Many servers.


def test_same_settings_and_host_are_made_once() -> None:
    make = client_sides()
    assert make(ServerTls(), NAME) is make(ServerTls(), NAME)


def test_other_hosts_share_a_context() -> None:
    made = []

    def context(settings: Any, files: Any) -> Any:
        made.append(settings)
        return client_context(settings, files)

    make = client_sides(make_context=context)
    assert make(ServerTls(), NAME) is not make(ServerTls(), "other.example.org")
    make(ServerTls(min_version="1.3"), NAME)
    assert made == [ServerTls(), ServerTls(min_version="1.3")]
