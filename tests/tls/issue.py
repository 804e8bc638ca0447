"""Certificates for tests, self-signed unless they say otherwise, and the PEM of their parts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NOW = datetime.now(UTC).replace(microsecond=0)


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    """One RSA key for all tests: making one takes long."""
    return rsa.generate_private_key(65537, 2048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@frozen
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def pem(self) -> bytes:
        return self.certificate_pem + self.key_pem


def issue(
    *names: str,
    common_name: str | None = None,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    issuer: Issued | None = None,
    days: int = 30,
    since: int = -1,
    authority: bool = False,
    purpose: x509.ObjectIdentifier | None = None,
) -> Issued:
    """
    Issue a certificate for `names`, valid for `days` days from now on (or ago), from `since` days on.

    An `authority` may issue others, and has no names but a common name. A `purpose` is what it is for alone.
    """
    key = ec_key() if key is None else key
    signer = key if issuer is None else issuer.key
    subject = _name([] if common_name is None else [common_name])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=min(since, days - 1)))
        .not_valid_after(NOW + timedelta(days=days, hours=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else SHA256()
    return Issued(builder.sign(signer, digest), key)


def revocation_list(issuer: Issued, *revoked: Issued, days: int = 7) -> bytes:
    """Make an authority's list of revoked certificates in PEM, which is due to be replaced in `days` (or was, ago)."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW + timedelta(days=min(-1, days - 1)))
        .next_update(NOW + timedelta(days=days))
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(NOW)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common_names: Sequence[str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in common_names])
