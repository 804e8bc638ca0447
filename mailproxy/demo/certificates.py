"""The demo's fresh certificates: one for the front, and one for a client, from their own CA."""

import os
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailproxy.demo.account import USER

CLIENT_NAME = USER
"""Common name of the client's certificate, which the server gets in the header."""

LIFETIME = timedelta(days=7)
CLOCK_SKEW = timedelta(hours=1)
"""The certificates are valid from this long ago, for clients with a slow clock."""


@frozen
class Certificates:
    """The paths of the demo's PEM files."""

    server: Path
    """The front's certificate and key."""
    trusted: Path
    """The front's certificate, for clients to trust: it is self-signed."""
    client: Path
    """A client's certificate and key."""
    client_ca: Path
    """The CA with which the front verifies client certificates."""


def make(folder: Path) -> Certificates:
    """Make all of them in `folder`; keys are readable by their owner only."""
    files = Certificates(
        server=folder / "server.pem",
        trusted=folder / "ca.pem",
        client=folder / f"{USER}.pem",
        client_ca=folder / "clients-ca.pem",
    )
    server_key, ca_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))

    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    server = (
        _builder("localhost", "localhost", server_key.public_key(), server_key.public_key(), authority=False)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(server_key, hashes.SHA256())
    )
    ca_name = "mailproxy demo CA for clients"
    ca = _builder(ca_name, ca_name, ca_key.public_key(), ca_key.public_key(), authority=True).sign(
        ca_key, hashes.SHA256()
    )
    client = (
        _builder(CLIENT_NAME, ca_name, client_key.public_key(), ca_key.public_key(), authority=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )

    _write(files.server, _pem(server) + _key_pem(server_key))
    _write(files.trusted, _pem(server))
    _write(files.client, _pem(client) + _key_pem(client_key))
    _write(files.client_ca, _pem(ca))
    return files


def _builder(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    *,
    authority: bool,
) -> x509.CertificateBuilder:
    """A certificate with all that strict verification requires, except its use for a server or a client."""
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, from the beginning."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
