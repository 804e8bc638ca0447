"""The names in clients' certificates."""

from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mailproxy.tls.client_names import ClientNames, client_names, fingerprint
from tests.tls.issue import issue


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


CA = issue(common_name="Clients", authority=True)


def test_names_and_issuer_of_a_certificate_are_read() -> None:
    certificate = der(issue("laptop.example.org", "*.example.org", issuer=CA).certificate_pem)
    assert client_names(certificate) == ClientNames(("laptop.example.org", "*.example.org"), "CN=Clients")


def test_certificate_may_have_no_names() -> None:
    assert client_names(der(issue(common_name="alice", issuer=CA).certificate_pem)).alternatives == ()


def test_broken_certificate_has_no_names() -> None:
    assert client_names(b"nonsense") == ClientNames((), "")


def test_fingerprint_is_sha256() -> None:
    assert fingerprint(b"x") == sha256(b"x").hexdigest()
