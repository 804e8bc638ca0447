"""The certificates of measured fronts: self-signed, with the keys that mail servers have."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

SERVER_NAME = "mail.example.org"

_VALID = datetime.timedelta(days=30)


def make_certificates(folder: Path) -> None:
    """Make ``ec.pem`` (P-256) and ``rsa.pem`` (2048 bits) in a folder, each with its key."""
    save(ec.generate_private_key(ec.SECP256R1()), folder / "ec.pem")
    save(rsa.generate_private_key(public_exponent=65537, key_size=2048), folder / "rsa.pem")


def save(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, path: Path, server_name: str = SERVER_NAME) -> None:
    """Make a certificate, and write it and its key to a file."""
    replace(path, certificate_of(key, server_name))


def certificate_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, server_name: str = SERVER_NAME) -> bytes:
    """Make a certificate, and return it with its key in PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, server_name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(server_name)]), critical=False)
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def replace(path: Path, data: bytes) -> None:
    """Put a file that its owner alone can read in the place of another one."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(data)
    new.rename(path)
