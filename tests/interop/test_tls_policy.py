"""What `openssl s_client` gets from a front: versions, ciphers, ALPN, tickets, and what becomes of its certificate."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.interop import headers, peers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, backend, frontend, single
from tests.interop.ports import free_port
from tests.interop.recorder import Recorder, echo
from tests.interop.waiting import PATIENCE_SECONDS, until
from tests.tls.issue import Issued, issue, revocation_list

SECONDS = PATIENCE_SECONDS

PROTOCOLS = ("imap", "pop3", "managesieve")

CERT_REVOKED = 23  # X509_V_ERR_CERT_REVOKED
REVOKED = "alert certificate revoked"


def s_client(port: int, *arguments: str | Path) -> str:
    """What s_client prints of one connection."""
    peers.need("openssl")
    ours = "s_client", "-connect", f"127.0.0.1:{port}", "-servername", SERVER_NAME
    command = [peers.path("openssl"), *ours, *arguments]
    done = subprocess.run(command, input=b"Q\n", capture_output=True, timeout=SECONDS, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


@frozen
class Fronts:
    """A front with a profile for each test, and the ports of its frontends."""

    front: Front
    recorder: Recorder
    ports: Mapping[str, int]
    lists: Path
    settings: Mapping[str, Any]


@pytest.fixture(scope="module")
def clients() -> Issued:
    """The authority of the clients' certificates."""
    return issue(common_name="clients", authority=True)


@pytest.fixture
def alice(clients: Issued) -> Issued:
    """A client's certificate."""
    return issue(common_name="certalice", issuer=clients)


@pytest.fixture(scope="module")
def fronts(
    module_front: StartFront,
    module_recorder: StartRecorder,
    pki: Certificates,
    clients: Issued,
    tmp_path_factory: pytest.TempPathFactory,
) -> Fronts:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "ca.pem").write_bytes(clients.certificate_pem)
    lists = folder / "revoked.crl"
    lists.write_bytes(revocation_list(clients))
    recorder = module_recorder(echo())
    certificates = {"certificates": [str(pki.server_ec), str(pki.server_rsa)]}
    asking = {"client-ca": str(folder / "ca.pem"), "client-crl": [str(lists)]}
    profiles: dict[str, dict[str, Any]] = {
        "default": {},
        "aead": {"cbc-ciphers": False},
        "no-tickets": {"tickets": False},
        "keylog": {"keylog": str(folder / "keys")},
        "required": {"client-certificates": "required", **asking},
        "unverified": {"client-certificates": "optional", "bad-client-certificate": "unverified", **asking},
    }
    ports = {name: free_port() for name in (*profiles, *PROTOCOLS)}
    settings = {
        "tls": {name: certificates | profile for name, profile in profiles.items()},
        "frontend": {name: frontend(ports[name], "recorder", tls_profile=name) for name in profiles}
        | {name: frontend(ports[name], "recorder", protocol=name) for name in PROTOCOLS},
        "backend": {"recorder": backend(recorder.port, send_proxy="v2-ssl-cn")},
    }
    return Fronts(module_front(settings), recorder, ports, lists, settings)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["-tls1_3"], "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"),
        (["-tls1_2"], "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"),
        (["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA"], "Cipher is ECDHE-RSA-AES256-SHA"),
        (["-tls1_3", "-curves", "P-521:P-256"], "Server Temp Key: ECDH, secp521r1"),
    ],
)
def test_default_profile_serves_old_and_new_clients(fronts: Fronts, arguments: list[str], found: str) -> None:
    assert found in s_client(fronts.ports["default"], *arguments)


@pytest.mark.parametrize(
    ("profile", "arguments", "alert"),
    [
        ("default", ["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], "alert protocol version"),
        ("default", ["-tls1_2", "-cipher", "kRSA"], "alert handshake failure"),
        ("default", ["-tls1_2", "-cipher", "DHE"], "alert handshake failure"),
        ("default", ["-tls1_2", "-sigalgs", "RSA+SHA1:ECDSA+SHA1", "-cipher", "ALL:@SECLEVEL=0"], "handshake failure"),
        ("aead", ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA"], "alert handshake failure"),
    ],
)
def test_weak_handshakes_are_refused(fronts: Fronts, profile: str, arguments: list[str], alert: str) -> None:
    assert alert in s_client(fronts.ports[profile], *arguments)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_protocol_s_own_name_is_agreed_on(fronts: Fronts, protocol: str, version: str) -> None:
    assert f"ALPN protocol: {protocol}" in s_client(fronts.ports[protocol], version, "-alpn", f"h2,{protocol}")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_client_of_another_protocol_is_refused(fronts: Fronts, protocol: str, version: str) -> None:
    printed = s_client(fronts.ports[protocol], version, "-alpn", "h2,http/1.1")
    assert "alert no application protocol" in printed


@pytest.mark.parametrize(("profile", "is_resumed"), [("default", True), ("no-tickets", False)])
def test_tickets_are_on_or_off(fronts: Fronts, profile: str, is_resumed: bool) -> None:
    printed = s_client(fronts.ports[profile], "-tls1_2", "-reconnect")
    assert ("\nReused, TLSv1.2" in printed) == is_resumed


def test_keys_are_written_for_the_owner_alone(fronts: Fronts, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    s_client(fronts.ports["keylog"], "-tls1_3", "-keylogfile", theirs)
    ours = Path(fronts.settings["tls"]["keylog"]["keylog"])
    assert ours.stat().st_mode & 0o777 == 0o600
    secrets = {line for line in theirs.read_text().splitlines() if not line.startswith("#")}
    assert secrets
    assert secrets <= set(ours.read_text().splitlines())
    assert any("the keys of every connection are written" in str(event) for event in fronts.front.events())


def test_list_that_is_read_again_revokes_also_who_resumes(
    fronts: Fronts, alice: Issued, clients: Issued, tmp_path: Path
) -> None:
    session, certificate = tmp_path / "session", tmp_path / "alice.pem"
    certificate.write_bytes(alice.pem)
    show = "-tls1_2", "-cert", certificate
    assert "New, TLSv1.2" in s_client(fronts.ports["required"], *show, "-sess_out", session)
    assert "\nReused, TLSv1.2" in s_client(fronts.ports["required"], *show, "-sess_in", session)
    fronts.lists.write_bytes(revocation_list(clients, alice))
    fronts.front.reload()
    assert REVOKED in s_client(fronts.ports["required"], *show, "-sess_in", session)
    assert REVOKED in s_client(fronts.ports["required"], *show)


def test_revoked_client_may_continue_without_a_name(
    fronts: Fronts, alice: Issued, clients: Issued, tmp_path: Path
) -> None:
    certificate = tmp_path / "alice.pem"
    certificate.write_bytes(alice.pem)
    fronts.lists.write_bytes(revocation_list(clients, alice))
    fronts.front.reload()
    before = len(fronts.recorder.connections)
    assert "Verify return code" in s_client(fronts.ports["unverified"], "-cert", certificate)

    def shown() -> list[headers.Ssl]:
        found = (headers.parse(one.header).ssl for one in fronts.recorder.connections[before:] if one.header)
        return [ssl for ssl in found if ssl is not None and ssl.client & headers.CERT_BITS]

    until(shown, "a header that tells of the certificate")
    (ssl,) = shown()
    assert ssl.verify == CERT_REVOKED
    assert ssl.get(headers.SSL_CN) is None
    assert b"certalice" not in b"".join(one.header for one in fronts.recorder.connections[before:])


def test_list_is_taken_up_without_a_reload(
    front: StartFront, recorder: StartRecorder, pki: Certificates, alice: Issued, clients: Issued, tmp_path: Path
) -> None:
    certificate, authority, crl = tmp_path / "alice.pem", tmp_path / "ca.pem", tmp_path / "ca.crl"
    certificate.write_bytes(alice.pem)
    authority.write_bytes(clients.certificate_pem)
    crl.write_bytes(revocation_list(clients))
    configuration, port = single(pki.server_ec, recorder(echo()).port)
    configuration["tls"]["default"] |= {
        "client-certificates": "required",
        "client-ca": str(authority),
        "client-crl": str(crl),
        "watch": "1s",
    }
    running = front(configuration)
    assert REVOKED not in s_client(port, "-tls1_2", "-cert", certificate)
    crl.write_bytes(revocation_list(clients, alice))
    running.event(event="trust", revoked=1)
    assert REVOKED in s_client(port, "-tls1_2", "-cert", certificate)
