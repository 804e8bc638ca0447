"""The demo's certificates."""

import ssl
import stat
from pathlib import Path

import pytest

from mailproxy.demo.certificates import CLIENT_NAME, Certificates, make


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("demo"))


def handshake(certificates: Certificates, name: str) -> ssl.SSLObject:
    """A server's side of a handshake in memory, both sides as strict as Python can be."""
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.client_ca))
    server_context.load_cert_chain(certificates.server)
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context(cafile=str(certificates.trusted))
    client_context.load_cert_chain(certificates.client)
    for context in (server_context, client_context):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(up, down, server_side=True)
    client = client_context.wrap_bio(down, up, server_hostname=name)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return server


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_both_sides_verify_each_other(certificates: Certificates, name: str) -> None:
    presented = handshake(certificates, name).getpeercert()
    assert presented is not None
    assert presented["subject"] == ((("commonName", CLIENT_NAME),),)


def test_front_is_not_trusted_by_another_name(certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates, "example.org")


def test_files_are_their_owners_alone(certificates: Certificates) -> None:
    files: list[Path] = [certificates.server, certificates.client]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
